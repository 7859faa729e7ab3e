"""Names that would act on a terminal or on rich, through the commands that print them."""

import io
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from rich.table import Table

from orchestrator.commands.terminal import Screen
from orchestrator.store.attempts import AttemptLog
from orchestrator.store.events import TrialEvent
from orchestrator.store.manifest import write_manifest
from orchestrator.store.paths import sweep_directory
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase
from tests.support.cli import TINY
from tests.support.cli_flags import call
from tests.support.saved_generators import PHOTOGRAPH, steered

NAMES = {
    "title": ("\x1b]0;pwned\x07a", r"\x1b]0;pwned\x07a"),
    "clipboard": ("\x1b]52;c;eA==\x07a", r"\x1b]52;c;eA==\x07a"),
    "clear": ("\x1b[2J\x1b[Ha", r"\x1b[2J\x1b[Ha"),
    "C1": ("\x9b2Ja", r"\x9b2Ja"),
    "line": ("a\nError: forged", r"a\nError: forged"),
    "return": ("a\rb\x08c", r"a\rb\x08c"),
    "bidi": ("a\u202egpj", r"a\u202egpj"),
    "markup": ("[bold]a[bold] :bomb:", "[bold]a[bold] :bomb:"),
}
ALL, SHOWN = ("".join(name[i] for name in NAMES.values()) for i in (0, 1))


def assert_lines(text: str, count: int | None = None) -> list[str]:
    """Text of printable lines."""
    lines = text.removesuffix("\n").split("\n")
    assert all(
        re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]*", x)
        for x in lines
    )
    assert count in (None, len(lines))
    return lines


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shown"), NAMES.values(), ids=NAMES)
def test_colorize_shows_the_names_of_pictures_as_text(here: Path, name: str, shown: str) -> None:
    folder = here / "hostile"
    folder.mkdir()
    shutil.copy(PHOTOGRAPH, folder / f"{name}.jpg")
    (folder / f"{name}.png").write_bytes(b"no picture")
    result = call("colorize", "hostile", "--generator", "generator")
    assert result.exit_code == 1
    assert (folder / f"{name}-colorized.jpg").exists()
    _, line = assert_lines(result.stdout, 2)
    assert line.startswith(f"hostile/{shown}.jpg -> hostile/{shown}-colorized.jpg  ")
    (error,) = assert_lines(result.stderr, 1)
    assert error.startswith(f"Error: hostile/{shown}.png: cannot be read")
    refused = call("colorize", f"hostile/{name}.jpg", "--generator", "generator")
    (error,) = assert_lines(refused.stderr, 1)
    assert f"hostile/{shown}-colorized.jpg is there already" in error


@pytest.mark.parametrize(
    "words",
    [
        ("launch", ALL),
        ("status", ALL),
        ("stop", ALL),
        ("report", ALL),
        ("colorize", ALL, "--generator", ALL),
        ("export", "--sweep", ALL, "--out", "out"),
        ("train", "--epochs", ALL),
        ("launch", "a.yaml", ALL),
        ("launch", f"--{ALL}"),
        (f"--{ALL}", "status"),
        (ALL,),
        ("--storage", f"s3://{ALL}", "status"),
    ],
    ids=" ".join,
)
def test_errors_repeat_what_was_typed_as_text(workplace: Path, words: tuple[str, ...]) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = assert_lines(result.stderr)
    assert any(line.startswith("Error: ") for line in lines)
    assert not any(line.startswith("Error: forged") for line in lines[:-1])


def test_status_shows_names_and_reasons_as_text(workplace: Path) -> None:
    config = steered(saturation=0.5)
    directory = sweep_directory(Path("runs"), "mine")
    write_manifest(directory, [Trial(ALL, config.key(), config)])
    log = AttemptLog(directory / config.key(), 0.0)
    log.write(TrialEvent(config.key(), TrialPhase.FAILED, reason=f"because {ALL}"))
    result = call("status", "mine")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = assert_lines(result.stdout)
    assert f"{SHOWN}: because {SHOWN}" in lines
    assert call("status", "mine", "--json").stdout.isascii()


def test_a_dry_run_shows_datasets_and_their_pictures_as_text(workplace: Path) -> None:
    name = ALL.replace("/", "")
    for folder in (name, "plain"):
        Path(folder).mkdir()
        for i in range(40):
            Image.new("RGB", (40, 40), (i, 6 * i, 90)).save(f"{folder}/{i}.png")
    Path(name, f"{name}.png").write_bytes(b"no picture")
    paths = "[plain, " + '"' + name.encode("unicode_escape").decode() + '"]'
    settings = f"settings: {{steps: 6, {TINY}, dataset: folder}}"
    Path("mine.yaml").write_text(f"{settings}\naxes: {{dataset_path: {paths}}}\n")
    result = call("launch", "mine.yaml", "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = assert_lines(result.stdout)
    assert any(line.startswith("skipped ") and "pwned" in line for line in lines)
    assert "dataset_path=plain" in result.stdout


def test_a_terminal_gets_the_names_of_a_table_as_text() -> None:
    file = io.StringIO()
    screen = Screen(file=file, force_terminal=True, width=200)
    table = Table(title=ALL, caption=ALL)
    table.add_column(ALL)
    table.add_row(ALL, style="bold")
    screen.print(table)
    screen.print(ALL, style="red")
    text = re.sub(r"\x1b\[[\d;]*m", "", file.getvalue())
    assert_lines(text)
    assert text.count(SHOWN) == 5
