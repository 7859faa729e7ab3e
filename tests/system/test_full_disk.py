"""A disk that is really full, and one that refuses to be written to."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, pathlib, subprocess, sys
from click.testing import CliRunner
from orchestrator.store.attempts import attempts
from orchestrator.cli import main

sweeps, settings = pathlib.Path(sys.argv[1]), sys.argv[2:]

def mount(*arguments):
    if subprocess.run(["mount", *arguments, sweeps]).returncode:
        sys.exit(77)

def train():
    result = CliRunner().invoke(main, ["--runs", str(sweeps.parent), "train", *settings])
    (trial,) = sweeps.glob("train/*/") if result.exit_code < 2 else [sweeps]
    kept = sorted(path.name for path in trial.glob("checkpoints/*"))
    steps = [(a.from_step, a.step, a.ended, a.reason) for a in attempts(trial)]
    return result.exit_code, result.stdout, result.stderr, kept, steps

mount("-t", "tmpfs", "-o", "size=2200k", "tmpfs")
found = [train()]
mount("-o", "remount,ro")
found.append(train())
mount("-o", "remount,rw,size=100m")
found.append(train())
print(json.dumps(found))
"""
SETTINGS = (
    "--steps 200 --base-channels 4 --batch-size 8 --eval-images 12 --sample-interval 10 "
    "--desired-saturation 0.75 --dataset npz --dataset-path"
)


def test_a_full_disk_ends_a_trial_which_goes_on_once_there_is_room(
    small_npz: Path, tmp_path: Path
) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare(1), to mount a small disk without being root")
    sweeps = tmp_path / "runs" / "sweeps"
    sweeps.mkdir(parents=True)
    script = [sys.executable, "-c", SCRIPT, str(sweeps), *SETTINGS.split(), str(small_npz)]
    ended = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", *script],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=400,
    )
    if ended.returncode == 77 or ended.stderr.startswith("unshare: "):
        pytest.skip(f"no small disk can be mounted here: {ended.stderr}")
    full, refused, roomy = json.loads(ended.stdout)

    code, out, _, kept, steps = full
    assert code == 1
    (line,) = (line for line in out.splitlines() if line.startswith("Failed: "))
    assert "No space left on device" in line
    assert "Traceback" not in out
    assert kept, "the last good checkpoint is still there"
    assert not [name for name in kept if name.startswith(".")], "nothing half written is"
    durable = int(kept[-1].removeprefix("step-"))
    assert 0 < durable < 200
    assert steps[0][2] == "failed" or steps[0][2] is None, "there may be no room for the news"

    code, out, error, *_ = refused
    assert (code, out) == (2, "")
    (line,) = error.splitlines()
    assert "Read-only file system" in line

    code, out, error, kept, steps = roomy
    assert code == 0, error
    assert "Finished at step 200 of 200" in out
    assert steps[-1][:2] == [durable, 200]
