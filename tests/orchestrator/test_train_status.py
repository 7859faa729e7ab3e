"""What ``status`` and ``stop`` know of trials that ``train`` made, without a launch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from orchestrator.store.lock import lock
from tests.support.cli import assert_refused
from tests.support.cli_flags import call
from tests.support.s3 import wait_for
from tests.support.saved_generators import photograph

pytestmark = pytest.mark.usefixtures("workplace")
FLAGS = "--base-channels 4 --batch-size 8 --eval-images 12 --evaluate-every 3 --log-every 2"


def flags(npz: Path, *more: str) -> list[str]:
    return ["train", *FLAGS.split(), "--dataset", "npz", "--dataset-path", str(npz), *more]


@pytest.mark.slow
def test_status_knows_what_train_made(workplace: Path, small_npz: Path) -> None:
    for seed in "1", "2":
        made = call(*flags(small_npz, "--name", "mine", "--steps", "3", "--seed", seed))
        assert made.exit_code == 0, made.output
    assert "mine" in call("status").stdout.splitlines()[1]
    found = json.loads(call("status", "mine", "--json").stdout)
    assert [(t["name"], t["phase"], t["step"]) for t in found["trials"]] == [
        ("baseline, seed=1", "finished", 3),
        ("baseline, seed=2", "finished", 3),
    ]
    assert_refused(call("stop", "mine"), "mine: nothing runs it")
    (first, second) = found["trials"]
    with lock(workplace / "runs" / "sweeps" / "mine" / second["key"], "it is trained"):
        assert_refused(call("stop", "mine", first["name"]), "baseline, seed=1: nothing runs it")
        assert json.loads(call("stop", "mine", "--json").stdout)["asked"] == [second["name"]]
    damaged = workplace / "runs" / "sweeps" / "mine" / first["key"] / "trial.json"
    damaged.write_text("{}")
    assert len(json.loads(call("status", "mine", "--json").stdout)["trials"]) == 1


@pytest.mark.slow
def test_a_trial_of_train_stops_on_request_and_goes_on(workplace: Path, small_npz: Path) -> None:
    words = flags(small_npz, "--name", "mine", "--steps", "100000")
    program = Path(sys.executable).with_name("colorsweep")
    with subprocess.Popen([program, *words], stdout=subprocess.PIPE, text=True) as process:

        def step() -> int:
            result = call("status", "mine", "--json")
            return json.loads(result.stdout)["trials"][0]["step"] if result.stdout else 0

        wait_for(lambda: step() > 0, 120)
        assert call("stop", "mine").stdout == "asked to stop: baseline\n"
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Stopped at step" in output
    (trial,) = json.loads(call("status", "mine", "--json").stdout)["trials"]
    assert (trial["phase"], trial["step"]) == ("stopped", trial["durable_step"])
    Image.fromarray(photograph(64, 64)).save("photo.png")
    words = ["--generator", f"runs/sweeps/mine/{trial['key']}", "--out", "coloured"]
    coloured = call("colorize", "photo.png", *words)
    assert coloured.exit_code == 0, coloured.stderr
    assert f"; not finished: step {trial['step']} of 100000\n" in coloured.stdout
