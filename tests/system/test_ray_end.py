"""What a launch that has trained leaves: no reference that Ray would die of, and no secret."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest

from tests.support.cli import tiny
from tests.support.leaks import assert_kept
from tests.support.s3 import Server

pytestmark = pytest.mark.timeout(600)

SECRET = "Huntsman/terrier2"
USERS = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", "COLORSWEEP_RUNS", "COLORSWEEP_STORAGE")
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
main()
"""


@dataclass(frozen=True)
class Left:
    """Of a launch whose storage was named with a secret."""

    done: subprocess.CompletedProcess[str]
    texts: list[str]
    """Of every file that it or its Ray has written here."""


@pytest.fixture(scope="module")
def left(
    server: Server, small_npz: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Left]:
    here = tmp_path_factory.mktemp("here")
    (here / "mine.yaml").write_text(f"{tiny(small_npz, 6)}points: [{{}}, {{saturation: 0.5}}]")
    kept = {k: v for k, v in os.environ.items() if k not in USERS}
    bucket = server.new_bucket().removeprefix("s3://")
    words = ["--storage", f"s3://KEY:{quote(SECRET, safe='')}@{bucket}", "launch", "mine.yaml"]
    with TemporaryDirectory(prefix="cs", dir="/tmp") as ray:  # paths of sockets must be short
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROBE, *words],
            cwd=here,
            env=kept | server.environment() | {"RAY_TMPDIR": ray},
            capture_output=True,
            text=True,
            timeout=280,
        )
        files = [f for top in (ray, here / "runs") for f in Path(top).rglob("*") if f.is_file()]
        yield Left(done, [file.read_bytes().decode("latin-1") for file in files])


def test_no_reference_to_an_actor_outlives_ray(left: Left) -> None:
    assert left.done.returncode == 0, left.done.stderr
    assert "3 of 3 trials finished" in left.done.stdout
    assert [line for line in left.done.stdout.splitlines() if line.startswith("references:")] == [
        "references: {}"
    ]


def test_the_secret_of_its_storage_is_nowhere(left: Left) -> None:
    assert any("mine" in text and "distribution_scales" in text for text in left.texts), "Tune's"
    assert_kept(SECRET, left.done.stdout, left.done.stderr, *left.texts)
