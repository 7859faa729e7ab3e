"""The end of a launch: what Ray would die of, once it is shut down."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import tiny

pytestmark = pytest.mark.system

# Python's garbage collector may run in any thread while Ray is shut down.
PROBE = """
import gc, sys
import ray
from orchestrator.__main__ import main

shutdown = ray.shutdown

def told(*arguments, **options):
    worker = ray._private.worker.global_worker
    if worker.connected:
        print("references:", worker.core_worker.get_all_reference_counts(), flush=True)
    shutdown(*arguments, **options)

ray.shutdown = told
sys.argv = ["colorsweep", "launch", "tiny.yaml"]
main()
"""


def test_no_reference_to_an_actor_outlives_ray(
    workplace: Path, small_npz: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_TMPDIR")  # too long for Ray's sockets
    Path("tiny.yaml").write_text(f"{tiny(small_npz, 6)}points: [{{}}, {{saturation: 0.5}}]")
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROBE], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert "3 of 3 trials finished" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("references:")] == [
        "references: {}"
    ]
