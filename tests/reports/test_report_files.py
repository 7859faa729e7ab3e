import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gan.colour.statistics import STATISTICS
from gan.errors import UserError
from reports.plots import slug
from reports.report_files import write_files

FIRST = {
    "index.html": b"first",
    "README.md": b"![a](images/00-a.png)\n![b](images/01-b.png)\n",
    "rows.json": b"[]",
    "images/00-a.png": b"a",
    "images/01-b.png": b"b",
}
SECOND = dict.fromkeys(FIRST, b"second")
KILLED = """
import os, signal, sys
from pathlib import Path
from reports.report_files import write_files

left = int(sys.argv[2])

def count(event, _):
    global left
    if event == "os.rename":
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
write_files(Path(sys.argv[1]), {name: b"second" for name in sys.argv[3:]})
"""
"""Program that is killed while it writes a report, after so many files are in their places."""


def contents(directory: Path) -> dict[str, bytes]:
    found = (file for file in directory.rglob("*") if file.is_file())
    return {str(file.relative_to(directory)): file.read_bytes() for file in found}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Writes beyond so many bytes of a file fail, as on a full disk, in the middle of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("large", ["index.html", "README.md", "images/01-b.png"])
def test_a_report_that_cannot_be_written_whole_leaves_the_one_before(
    tmp_path: Path, large: str
) -> None:
    write_files(tmp_path, FIRST)
    second = dict.fromkeys(FIRST, b"second") | {large: b"x" * 10_000}
    with (
        files_of_at_most(5_000),
        pytest.raises(UserError, match=r"--out: cannot write to .* \(File too large\)"),
    ):
        write_files(tmp_path, second)
    assert contents(tmp_path) == FIRST
    write_files(tmp_path, second)
    assert contents(tmp_path) == second


@pytest.mark.parametrize("replaced", range(len(FIRST)))
@pytest.mark.parametrize("before", [{}, FIRST], ids=["first report", "later report"])
def test_a_kill_while_files_are_replaced_costs_no_report(
    tmp_path: Path, before: dict[str, bytes], replaced: int
) -> None:
    if before:
        write_files(tmp_path, before)
    killed = [sys.executable, "-c", KILLED, str(tmp_path), str(replaced), *FIRST]
    assert subprocess.run(killed).returncode == -signal.SIGKILL
    left = contents(tmp_path)
    assert list(left.values()).count(b"second") == len(FIRST), "some under their temporary names"
    assert before.keys() <= left.keys()
    if any(left.get(page) == b"second" for page in ("index.html", "README.md")):
        assert all(left[name] == b"second" for name in FIRST if name.startswith(("rows", "images")))
    write_files(tmp_path, SECOND)
    assert contents(tmp_path) == SECOND


def test_temporary_files_of_reports_being_written_and_hidden_files_of_others_stay(
    tmp_path: Path,
) -> None:
    there = {f".{os.getppid()}.index.html": b"half", ".1.notes": b"mine", ".notes": b"mine"}
    for name, content in there.items():
        (tmp_path / name).write_bytes(content)
    write_files(tmp_path, FIRST)
    assert contents(tmp_path) == FIRST | there


def test_pictures_that_only_the_report_before_had_go_and_files_of_others_stay(
    tmp_path: Path,
) -> None:
    write_files(tmp_path, FIRST)
    (tmp_path / "images" / "mine.png").write_bytes(b"mine")
    (tmp_path / "notes.md").write_bytes(b"![mine](images/mine.png)")
    second = {**FIRST, "README.md": b"![a](images/00-a.png)\n"}
    del second["images/01-b.png"]
    write_files(tmp_path, second)
    others = {"images/mine.png": b"mine", "notes.md": b"![mine](images/mine.png)"}
    assert contents(tmp_path) == second | others


def test_the_longest_name_of_a_trial_makes_a_file_name(tmp_path: Path) -> None:
    name = ", ".join(f"{control}.weight={i}.5" for i, control in enumerate(STATISTICS)) * 2
    file = f"images/00-{slug(name)}.png"
    write_files(tmp_path, FIRST | {file: b"c"})
    assert contents(tmp_path)[file] == b"c"
