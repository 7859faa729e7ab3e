"""Sweep files, names and machines at the edge of what is possible: one line each, and soon."""

import time
from pathlib import Path

import pytest

from orchestrator.sweep.core_yaml import MAX_DEPTH, MAX_VALUES, load
from orchestrator.sweep.spec import MAX_BYTES, MAX_TRIALS
from tests.support.cli import TEXT, assert_refused, files
from tests.support.cli_flags import call

pytestmark = pytest.mark.usefixtures("workplace")


def bomb(section: str) -> str:
    """Nine levels of lists, of which each repeats the one before nine times."""
    lines = ["  - &l0 [0, 0, 0, 0, 0, 0, 0, 0, 0]"]
    lines += [f"  - &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 9)]
    return "\n".join([section, *lines])


LONG = f"&a {'A' * 310_000}{', *a' * 75_000}"
SEEDS = ", ".join(map(str, range(1000)))
MERGED = "\n".join(
    ["points:", "  - &m0 {seed: 1}"]
    + [f"  - &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 10)}]}}" for i in range(1, 9)]
)
HUGE = {
    "aliases in a setting": (bomb("settings:\n  steps: 2\n  distribution_scales:"), "values"),
    "aliases in points": (TEXT + bomb("points:"), f"more than {MAX_VALUES} values"),
    "merged mappings": (TEXT + MERGED, f"more than {MAX_VALUES} values"),
    "aliases of a long text": (f"settings: [{LONG}]", f"more than {MAX_VALUES} values"),
    "aliases of a long text in points": (f"{TEXT}points: {{a: [{LONG}]}}", "values"),
    "a list within itself": (f"{TEXT}points: &a [*a]", "*a is within itself"),
    "brackets": (f"{TEXT}points: {'[' * 100_000}", f"nested more than {MAX_DEPTH} deep"),
    "a grid": (
        f"{TEXT}axes: {{seed: [{SEEDS}], batch_size: [{SEEDS}]}}",
        f"has 1000000 trials; a sweep has at most {MAX_TRIALS}",
    ),
    "a search": (
        f"{TEXT}objective: {{metric: mae}}\n"
        "search: {trials: 1000000, over: {saturation: {low: 0, high: 1}}}",
        f"has 1000000 trials; a sweep has at most {MAX_TRIALS}",
    ),
    "a value": (f"settings: {{steps: {'k' * 200_000}}}", "settings.steps: must be a number"),
    "a list": (f"axes: {{seed: {{a: [{SEEDS}]}}}}", "axes.seed: must be a list of values"),
    "a key": (f"settings:\n  ? {'k' * 100_000}\n  : 1", "unknown key"),
    "a key of two lines": ('settings: {"a\\nb": 1}', "unknown key"),
    "a file": ("# " + "k" * MAX_BYTES, "is larger than 2 MB"),
}


@pytest.mark.parametrize(("text", "word"), HUGE.values(), ids=HUGE)
@pytest.mark.timeout(60)  # before, some took more than that, and others all memory
def test_a_huge_sweep_file_is_refused_in_one_short_line_and_soon(text: str, word: str) -> None:
    Path("huge.yaml").write_text(text)
    began = time.monotonic()
    result = call("launch", "huge.yaml", "--dry-run")
    assert_refused(result, "huge.yaml:", word)
    assert len(result.stderr) < 3100
    assert time.monotonic() - began < 20


def test_what_is_deep_or_long_but_not_too_much_is_read() -> None:
    assert load("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert len(load("{a: &a {x: 1}, b: [*a, *a, {<<: *a, y: 2}]}").content["b"]) == 3


@pytest.mark.parametrize("name", [".", "..", ".hidden", "-x", "Default", "a\nb", "a\x1b[2J", ""])
def test_a_name_that_is_none_is_refused_in_one_line(workplace: Path, name: str) -> None:
    before = files(workplace)
    words = "cannot name a sweep; valid names have printable characters"
    assert_refused(call("train", "--name", name, "--steps", "1"), "--name: ", words)
    assert files(workplace) == before
    if name:
        Path(f"{name}.yaml").write_text(TEXT)
        assert_refused(call("launch", f"./{name}.yaml", "--dry-run"), ".yaml': ", words)
        assert_refused(call("launch", f"./{name}.yaml"), words)
        assert not Path("runs").exists()


def test_without_a_home_it_is_told_to_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)  # has no entry in the password file
    assert_refused(call("status"), "HOME: is not set", "set it to a directory")
    monkeypatch.setenv("HOME", str(Path.cwd()))
    assert call("status").exit_code == 0


def test_in_a_directory_that_was_removed_it_is_told_to_change_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for command in (["status"], ["train", "--steps", "3"], ["colorize", "/x.png", "--run", "1"]):
        assert_refused(call(*command), "the current directory was removed; change to another")


def test_runs_in_a_directory_that_no_uri_can_name_are_refused_in_one_line() -> None:
    Path("tiny.yaml").write_text(TEXT)
    for name in ("100%41", "why?"):
        for command in (["launch", "tiny.yaml"], ["report", "tiny"], ["train", "--steps", "1"]):
            assert_refused(call("--runs", name, *command), "--runs: ", name, "a % or ?")
        assert not Path(name).exists()
