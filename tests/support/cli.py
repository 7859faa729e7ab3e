"""What tests of the commands share."""

import subprocess
import sys
import time
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Measured:
    seconds: float
    memory: int
    """KiB resident, at most, of the process itself."""


def run_measured(*words: str) -> Measured:
    """Run a colorsweep command to its end, in a process of its own."""
    code = (
        "import sys; from pathlib import Path; from click.testing import CliRunner;"
        "from orchestrator.cli import main;"
        "result = CliRunner().invoke(main, sys.argv[1:]);"
        "assert result.exit_code == 0, result.output;"
        # getrusage would count what was forked, before it became this process.
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    began = time.monotonic()
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return Measured(time.monotonic() - began, int(done.stdout.split()[-1]))
