"""What tests of the commands share."""

from pathlib import Path

from click.testing import Result

TINY = "base_channels: 4, batch_size: 8, eval_images: 12, log_every: 2, evaluate_every: 3"
TEXT = f"settings: {{steps: 6, {TINY}}}\n"
Files = dict[str, tuple[int, int]]


def tiny(npz: Path, steps: int) -> str:
    return f"settings: {{steps: {steps}, {TINY}, dataset: npz, dataset_path: {npz}}}\n"


def files(directory: Path) -> Files:
    """Everything below a directory, with size and time of change."""
    found = [(p, p.stat()) for p in directory.rglob("*")]
    return {str(p): (s.st_size if p.is_file() else 0, s.st_mtime_ns) for p, s in found}


def assert_refused(result: Result, *words: str) -> None:
    assert_one_line(result.exit_code, result.stdout, result.stderr, *words)


def assert_one_line(code: int, stdout: str, stderr: str, *words: str) -> None:
    (line,) = stderr.splitlines()
    assert line.startswith("Error: ")
    for word in words:
        assert word in line
    assert (code, stdout) == (2, "")
