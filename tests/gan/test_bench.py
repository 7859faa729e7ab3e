import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gan.benchmark.benchmark import bench, choose_device
from gan.benchmark.speed import Bench, Round, lines
from gan.config import TrainConfig
from gan.control import CONTROLS
from gan.errors import UserError
from gan.training.session import CHECKPOINT_SHARE

CPU = torch.device("cpu")
TINY = {
    "base_channels": 4,
    "batch_size": 8,
    "eval_images": 12,
    "precision": "float32",
}


MADE = Bench(
    device="CPU, 1 thread(s)",
    precision="float32",
    image_size=32,
    base_channels=64,
    batch_size=50,
    rounds=(Round(100, 20, 300), Round(110, 30, 300), Round(90, 9, 100)),
    evaluation_ms=4000,
    target_ms=1500,
    log_ms=10,
    checkpoint_ms=60,
    evaluate_every=200,
    log_every=20,
    memory_mb=123,
)


def test_the_figures_of_a_measurement_are_those_computed_by_hand() -> None:
    made = MADE
    assert (made.fast_ms, made.plain_ms) == (100, 300)
    assert made.fast_images_per_second == 500
    assert made.plain_images_per_second == pytest.approx(50 / 0.3)
    # 3, 2.73 and 1.11 times as fast.
    assert made.ratio == pytest.approx(300 / 110)
    # A step with its 20th of a log point and its 200th of an evaluation; that is 24.1 seconds
    # from one to the next, with three checkpoints.
    checkpoints = 3 * 60 / 200
    whole = 100 + 0.5 + 20 + checkpoints
    assert made.whole_ms(20, 200) == pytest.approx(whole)
    assert made.outside == pytest.approx(
        {
            "colours": 20 / whole,
            "evaluation": 20 / whole,
            "logging": 0.5 / whole,
            "checkpoints": checkpoints / whole,
        }
    )
    assert made.outside_share == pytest.approx(1 - 80 / whole)
    shown = "\n".join(lines(made))
    for figure in (
        "500.0",
        "166.7",
        "100.00",
        "300.00",
        "2.73",
        "1.11 to 3.00",
        "123 MB",
        "34.1%",
        "1.5 s for",
    ):
        assert figure in shown


def test_slow_checkpoints_are_fewer() -> None:
    # 84.4 seconds from one evaluation to the next, with eight more checkpoints on the way.
    assert MADE.parts_ms(20, 800)["checkpoints"] == pytest.approx(60 * 9 / 800)
    slow = replace(MADE, checkpoint_ms=3000)
    assert slow.parts_ms(20, 200)["checkpoints"] == pytest.approx(120.5 * CHECKPOINT_SHARE)


def test_shares_are_at_most_all_however_noisy_the_machine() -> None:
    assert replace(MADE, rounds=(Round(100, 130, 300),)).outside_share == pytest.approx(1)


def measurement(**fields: Any) -> Bench:
    config = TrainConfig.model_validate({"steps": 1, **TINY, **fields})
    return bench(config, CPU, rounds=3, seconds=0.2)


@pytest.fixture(scope="module")
def measured() -> Bench:
    # Of all controls: the terms of two drown in the noise of a busy machine.
    return measurement(controls={name: {"target": 0.5} for name in CONTROLS})


@pytest.fixture(scope="module")
def without_control() -> Bench:
    """Also of a half to evaluate on, of which a measurement's images are none."""
    return measurement(controls={}, eval_images=1, eval_half="second")


@pytest.mark.slow
def test_a_measurement_is_of_the_config_given(measured: Bench) -> None:
    assert (measured.image_size, measured.base_channels, measured.batch_size) == (32, 4, 8)
    assert len(measured.rounds) == 3
    assert measured.precision == "float32"
    assert all(min(r.fast, r.colours, r.plain) > 0 for r in measured.rounds)
    assert min(measured.evaluation_ms, measured.log_ms, measured.checkpoint_ms) > 0
    assert all(0 <= share <= 1 for share in measured.outside.values())
    assert 0 < measured.outside_share <= 1
    assert measured.memory_mb > 100, "torch alone takes more"
    assert all(len(line) <= 80 for line in lines(measured))


@pytest.mark.slow
def test_a_half_to_evaluate_on_is_none_of_a_measurements_images(without_control: Bench) -> None:
    assert without_control.target_ms > 0


@pytest.mark.slow
def test_controls_and_colour_maths_show_in_the_share_outside_the_networks(
    measured: Bench, without_control: Bench
) -> None:
    assert measured.outside["colours"] > without_control.outside["colours"]


@pytest.mark.slow
def test_measuring_runs_from_the_engines_own_command_line() -> None:
    options = ["--device", "cpu", "--base-channels", "1", "--batch-size", "10"]
    options += ["--rounds", "1", "--seconds", "0"]
    command = [sys.executable, "-W", "error", "-m", "gan.benchmark.benchmark", *options, "--json"]
    root = Path(__file__).parents[2]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, cwd=root, env=one_thread)
    assert (ended.returncode, ended.stderr) == (0, "")
    figures = json.loads(ended.stdout)
    (turn,) = figures["rounds"]
    assert figures["ratio"] == pytest.approx(turn["plain"] / turn["fast"])
    assert figures["fast_images_per_second"] == pytest.approx(10_000 / turn["fast"])


def test_a_gpu_that_is_not_there_is_refused() -> None:
    assert choose_device("cpu") == CPU
    if torch.cuda.is_available():
        assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    else:
        assert choose_device("auto") == CPU
        with pytest.raises(UserError, match="--device cuda: no usable GPU"):
            choose_device("cuda")
