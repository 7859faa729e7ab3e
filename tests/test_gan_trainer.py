import io
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gan import checkpoint, samples, trainer
from gan.config import TrainConfig
from gan.data import Dataset, load
from gan.errors import TrainingError
from gan.evaluate import colorize_batch
from gan.networks import load_generator
from gan.trainer import Progress, Trainer

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")

Start = Callable[..., Trainer]


@pytest.fixture(autouse=True)
def _a_checkpoint_at_every_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow it is: what is there does not depend on the disk then."""
    monkeypatch.setattr(trainer, "CHECKPOINT_SHARE", math.inf)


@pytest.fixture
def start(small_npz: Path) -> Start:
    """Start a small training at step 0; every option can be set."""

    def start(**fields: Any) -> Trainer:
        config = small(small_npz, **fields)
        return Trainer(config, load(config), CPU)

    return start


def small(npz: Path, **fields: Any) -> TrainConfig:
    defaults = {
        "dataset": "npz",
        "dataset_path": str(npz),
        "base_channels": 4,
        "batch_size": 8,
        "steps": 40,
        "log_every": 5,
        "evaluate_every": 10,
        "eval_images": 12,
        "lr_decay_steps": 50,
        "controls": {"saturation": {"target": 0.75}, "hue": {"target": 0.6}},
    }
    return TrainConfig.model_validate({**defaults, **fields})


def weights(of: Trainer) -> Tensor:
    """Every number of the generator, batch statistics included."""
    return torch.cat([t.double().flatten() for t in of.gan.generator.state_dict().values()])


def everything(of: Trainer) -> dict[str, bytes]:
    """The complete state, without the time that it took."""
    state = of.state()
    trial = json.loads(state.pop("trial.json"))
    del trial["seconds"]
    for point in trial["history"]:
        del point["time"]
    return {**state, "trial.json": json.dumps(trial, sort_keys=True).encode()}


def points(of: Trainer) -> list[tuple[int, dict[str, float]]]:
    return [(point["step"], point["metrics"]) for point in of.history]


def series(of: Trainer, name: str) -> dict[int, float]:
    """One metric by step; no step has two values."""
    found = [(step, metrics[name]) for step, metrics in points(of) if name in metrics]
    assert len(dict(found)) == len(found)
    return dict(found)


def read_grid(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A sample grid as (3, columns, 32, 32, 3): one pixel of each that was repeated."""
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    pitch, repeat = samples.CELL + samples.GAP, samples.CELL // 32
    columns = -(-picture.shape[1] // pitch)
    return np.stack(
        [
            [
                picture[row * pitch :, column * pitch :][: samples.CELL : repeat, ::repeat][:, :32]
                for column in range(columns)
            ]
            for row in range(3)
        ]
    )


# A trial is a function of its config


def test_the_same_config_trains_the_same_generator_bit_for_bit(start: Start) -> None:
    first, second = start(), start()
    for of in (first, second):
        for _ in range(3):
            of.train_step()
        torch.manual_seed(99)
    assert torch.equal(weights(first), weights(second))
    for fields in ({"seed": 1}, {"augment": False}, {"l1_weight": 10.0}):
        other = start(**fields)
        for _ in range(3):
            other.train_step()
        assert not torch.equal(weights(first), weights(other))


def test_a_control_of_weight_0_trains_the_generator_of_no_control(start: Start) -> None:
    without = start(controls={})
    with_0 = start(controls={"hue": {"target": 0.6, "weight": 0}})
    for _ in range(4):
        without.train_step()
        with_0.train_step()
    assert torch.equal(weights(without), weights(with_0))


@pytest.fixture(scope="module")
def in_one_go(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    config = small(small_npz)
    whole = Trainer(config, load(config), CPU)
    assert whole.fit(tmp_path_factory.mktemp("whole"))
    return whole


def test_a_training_stopped_anywhere_ends_as_if_never_stopped(
    start: Start, in_one_go: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "PROGRESS_SECONDS", 0)
    # Within a loss interval; the step after; at a loss point; at an evaluation; before the end.
    for stop in (3, 4, 15, 20, 39):
        part = start()
        assert not part.fit(tmp_path, should_stop=lambda part=part, stop=stop: part.step == stop)  # type: ignore[misc]
        assert part.step == stop
    last = start()
    assert last.fit(tmp_path)
    assert points(last) == points(in_one_go)
    assert everything(last) == everything(in_one_go)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from gan import trainer
from gan.config import TrainConfig
from gan.data import load

torch.set_num_threads(1)
trainer.PROGRESS_SECONDS = 0
trainer.CHECKPOINT_SHARE = float("inf")
config = TrainConfig.model_validate_json(sys.argv[1])
of = trainer.Trainer(config, load(config), torch.device("cpu"))

def die(progress):
    if progress.durable_step == 17:
        os.kill(os.getpid(), signal.SIGKILL)

of.fit(Path(sys.argv[2]), on_progress=die, should_stop=lambda: of.step == 17)
"""


def test_a_killed_process_is_gone_on_with_in_another_as_if_it_had_lived(
    start: Start, in_one_go: Trainer, tmp_path: Path
) -> None:
    argument = in_one_go.config.model_dump_json()
    killed = subprocess.run([sys.executable, "-c", KILLED, argument, str(tmp_path)], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert [p.name for p in sorted((tmp_path / "checkpoints").iterdir())][-1] == "step-00000017"
    resumed = start()
    assert resumed.fit(tmp_path)
    assert points(resumed) == points(in_one_go)
    assert everything(resumed) == everything(in_one_go)


def test_a_damaged_checkpoint_costs_the_way_from_the_one_before(
    start: Start, tmp_path: Path
) -> None:
    whole = start(steps=4, evaluate_every=2)
    assert whole.fit(tmp_path)
    file = tmp_path / "checkpoints" / "step-00000004" / "training.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    resumed = start(steps=4, evaluate_every=2)
    assert resumed.fit(tmp_path)
    assert everything(resumed) == everything(whole)
    assert (newest := checkpoint.newest(tmp_path)) is not None
    assert newest.name == "step-00000004"


def test_a_longer_training_goes_on_from_the_shorter(start: Start, tmp_path: Path) -> None:
    whole = start(steps=12, evaluate_every=4)
    assert whole.fit(tmp_path / "whole")
    assert start(steps=7, evaluate_every=4).fit(tmp_path / "part")
    longer = start(steps=12, evaluate_every=4)
    assert longer.fit(tmp_path / "part")
    assert torch.equal(weights(longer), weights(whole))
    for name in ("eval/mae", "eval/saturation_error"):
        # The shorter training has a point more, at its end.
        common = {step: value for step, value in series(longer, name).items() if step != 7}
        assert common == series(whole, name)


def test_a_point_of_the_loss_is_the_mean_since_the_last(start: Start, tmp_path: Path) -> None:
    every = start(log_every=1, steps=11)
    every.fit(tmp_path / "every")
    start(steps=7).fit(tmp_path / "some")
    some = start(steps=11)
    some.fit(tmp_path / "some")
    for name in ("discriminator", "adversarial", "l1", "saturation", "hue"):
        each = series(every, f"loss/{name}")
        assert list(each) == list(range(1, 12))
        wanted = {
            last: np.mean([each[step] for step in range(first, last + 1)])
            for first, last in ((1, 5), (6, 7), (8, 10), (11, 11))
        }
        assert series(some, f"loss/{name}") == pytest.approx(wanted, rel=1e-5)


def test_a_training_that_is_complete_is_not_touched_again(start: Start, tmp_path: Path) -> None:
    start(steps=2).fit(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    again = start(steps=2)
    assert again.fit(tmp_path)
    assert again.step == 2
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


# What a step does


def test_learning_rates_fall_tenfold_over_the_decay(start: Start) -> None:
    of = start(lr_decay_steps=10, generator_lr=3e-4, discriminator_lr=1e-4)
    rates = []
    for _ in range(11):
        of.train_step()
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in of.gan.optimizers.values()])
    wanted = [[rate * math.exp(-math.log(10) * s / 10) for rate in (3e-4, 1e-4)] for s in range(11)]
    np.testing.assert_allclose(rates, wanted, rtol=1e-12)


def test_an_epoch_is_one_pass_over_the_images(start: Start) -> None:
    of = start(steps=None, epochs=1.5)
    # 64 images, 8 at a time.
    assert of.total_steps == 12
    for _ in range(12):
        of.train_step()
    assert of.epoch == 1.5


def test_both_networks_learn(start: Start) -> None:
    of = start()
    before = [
        p.detach().clone() for n in (of.gan.generator, of.gan.discriminator) for p in n.parameters()
    ]
    of.train_step()
    after = [p for n in (of.gan.generator, of.gan.discriminator) for p in n.parameters()]
    assert all(not torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_bfloat16_is_close_to_float32(start: Start) -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        of = start(precision=precision, log_every=1)
        of.train_step()
        of.log_losses()
        losses.append(points(of)[0][1])
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert losses[1] != losses[0]


# Steering


@pytest.fixture(scope="module")
def baseline(photos: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    return steer(photos, tmp_path_factory.mktemp("baseline"), {})


def steer(photos: Dataset, trial: Path, controls: dict[str, Any]) -> dict[str, float]:
    """Train 60 steps on the photographs and measure on the held-out ones."""
    config = TrainConfig.model_validate(
        {
            "base_channels": 8,
            "batch_size": 16,
            "steps": 60,
            "generator_lr": 2e-3,
            "eval_images": 36,
            "controls": controls,
        }
    )
    of = Trainer(config, photos, CPU)
    assert of.fit(trial)
    metrics: dict[str, float] = of.history[-1]["metrics"]
    return metrics


def test_steering_saturation_brings_it_to_the_target(
    photos: Dataset, baseline: dict[str, float], tmp_path: Path
) -> None:
    steered = steer(photos, tmp_path, {"saturation": {"target": 0.75}})
    # The mean of errors is at least the error of the mean.
    error_of_baseline = abs(baseline["eval/saturation"] - 0.75)
    assert error_of_baseline > 0.15
    assert steered["eval/saturation_error"] < 0.5 * error_of_baseline
    assert steered["eval/saturation"] == pytest.approx(0.75, abs=0.1)
    assert steered["eval/saturation_reachable"] == pytest.approx(0.75, abs=0.01)


def test_steering_hue_brings_it_to_the_target(
    photos: Dataset, baseline: dict[str, float], tmp_path: Path
) -> None:
    steered = steer(photos, tmp_path, {"hue": {"target": 0.6}})
    error_of_baseline = abs((baseline["eval/hue"] - 0.6 + 0.5) % 1 - 0.5)
    assert error_of_baseline > 0.2
    assert steered["eval/hue_error"] < 0.3 * error_of_baseline
    assert steered["eval/hue"] == pytest.approx(0.6, abs=0.05)


# Failures


@pytest.mark.parametrize("evaluate_every", [3, 1000])
def test_a_loss_that_is_not_finite_ends_the_training_and_nothing_of_it_is_kept(
    start: Start, tmp_path: Path, evaluate_every: int
) -> None:
    of = start(generator_lr=1e30, evaluate_every=evaluate_every)
    with pytest.raises(
        TrainingError, match=r"loss/\w+ was not finite, or exploded, at step [1-5]$"
    ):
        of.fit(tmp_path)
    assert all(math.isfinite(v) for _, metrics in points(of) for v in metrics.values())
    if (kept := checkpoint.newest(tmp_path)) is not None:
        assert all(t.isfinite().all() for t in load_generator(kept).state_dict().values())


def test_what_was_trained_before_a_loss_was_not_finite_is_kept(
    start: Start, tmp_path: Path
) -> None:
    start(steps=10).fit(tmp_path)
    of = start(steps=20)
    fit_on = checkpoint.newest(tmp_path)
    assert fit_on is not None
    of.restore(fit_on)
    with torch.no_grad():
        of.gan.discriminator.layers[-1].weight.mul_(1e9)  # type: ignore[operator]
    damaged = of.state()
    checkpoint.write(tmp_path, 10, damaged)
    with pytest.raises(TrainingError, match=r"exploded, at step 1[1-5]"):
        start(steps=20).fit(tmp_path)
    assert checkpoint.newest(tmp_path) == fit_on


def test_weights_that_are_not_finite_are_never_kept(start: Start, tmp_path: Path) -> None:
    of = start()
    of.train_step()
    of.save(tmp_path)
    of.train_step()
    with torch.no_grad():
        of.gan.discriminator.layers[0][0].weight[0, 0, 0, 0] = float("nan")  # type: ignore[index]
    with pytest.raises(TrainingError, match=r"discriminator\.\S+ was not finite at step 2"):
        of.save(tmp_path)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]


@pytest.mark.parametrize(("term", "index"), [("discriminator", 0), ("hue", 3)])
def test_a_failure_names_the_first_term_and_its_step(start: Start, term: str, index: int) -> None:
    of = start()
    of.train_step()
    assert of.gan.failure() is None
    with torch.no_grad():
        of.gan.failed_at[index] = 4
        of.gan.failed_at[4] = 6
    assert of.gan.failure() == f"loss/{term} was not finite, or exploded, at step 5"


def test_an_adversarial_loss_that_explodes_is_noticed_while_it_is_finite(start: Start) -> None:
    of = start()
    with torch.no_grad():
        of.gan.discriminator.layers[-1].weight.mul_(1e9)  # type: ignore[operator]
    of.train_step()
    assert of.gan.sums.isfinite().all()
    with pytest.raises(TrainingError, match="at step 1"):
        of.log_losses()


def test_a_checkpoint_of_other_networks_is_refused_in_one_line(
    start: Start, tmp_path: Path
) -> None:
    start(steps=1).fit(tmp_path)
    (found,) = (tmp_path / "checkpoints").iterdir()
    with pytest.raises(TrainingError, match="other networks") as caught:
        start(base_channels=8).restore(found)
    assert "\n" not in str(caught.value)


# Recipes


def test_the_discriminator_learns_every_so_many_steps(start: Start) -> None:
    of = start(discriminator_every=3, log_every=1)
    changed = []
    for _ in range(7):
        before = _flat(of)
        of.train_step()
        changed.append(not torch.equal(before, _flat(of)))
    assert changed == [True, False, False, True, False, False, True]


def _flat(of: Trainer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in of.gan.discriminator.parameters()])


def test_the_discriminators_loss_is_a_mean_over_its_own_updates(
    start: Start, tmp_path: Path
) -> None:
    every = start(discriminator_every=3, log_every=1, steps=10)
    every.fit(tmp_path / "every")
    some = start(discriminator_every=3, steps=10)
    some.fit(tmp_path / "some")
    each = series(every, "loss/discriminator")
    assert list(each) == [1, 4, 7, 10]
    wanted = {5: (each[1] + each[4]) / 2, 10: (each[7] + each[10]) / 2}
    assert series(some, "loss/discriminator") == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_plateaus_are_those_of_pytorchs_scheduler(patience: int) -> None:
    random = np.random.default_rng(patience)
    losses = 10 / np.arange(1, 61) ** 0.3 + random.normal(0, 0.6, 60)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.1, patience=patience - 1
    )
    history, factors, wanted = [], [], []
    for step, loss in enumerate(losses, start=1):
        scheduler.step(float(loss))
        wanted.append(optimizer.param_groups[0]["lr"])
        metrics = {"loss/l1": float(loss) - 1, "loss/hue": 1.0, "loss/discriminator": 100 / step}
        history += [{"step": step, "metrics": metrics}, {"step": step, "metrics": {"eval/mae": 0}}]
        factors.append(0.1 ** trainer.plateaus(history, patience))
    assert min(wanted) < 0.05
    np.testing.assert_allclose(np.maximum(factors, 1e-8), np.maximum(wanted, 1e-8))


def test_a_plateau_lowers_the_rates_also_after_a_restart(start: Start, tmp_path: Path) -> None:
    # No loss falls where nothing is learnt.
    fields = {"generator_lr": 1e-12, "discriminator_lr": 1e-12, "lr_decay_steps": None}
    of = start(**fields, lr_plateau_steps=15, steps=40)
    assert of.fit(tmp_path)
    assert of.lr_factor() < 0.11
    (newest,) = [checkpoint.newest(tmp_path)]
    assert newest is not None
    again = start(**fields, lr_plateau_steps=15, steps=40)
    again.restore(newest)
    assert again.lr_factor() == of.lr_factor()


# What is recoloured after training


def test_a_recoloured_trial_trains_as_its_baseline_and_meets_the_target(
    start: Start, tmp_path: Path
) -> None:
    baseline = start(controls={}, steps=6, head_gain=1)
    assert baseline.fit(tmp_path / "baseline")
    aims = {"saturation": {"target": 0.3, "weight": 0}}
    alone = start(controls=aims, steps=6, head_gain=1, recolour=True)
    assert alone.fit(tmp_path / "alone")
    behind = start(controls=aims, steps=6, head_gain=1, recolour=True)
    assert behind.fit(tmp_path / "behind", baseline=tmp_path / "baseline")
    assert torch.equal(weights(alone), weights(baseline))
    assert torch.equal(weights(behind), weights(baseline))
    assert points(behind)[-1][1]["eval/saturation"] == points(alone)[-1][1]["eval/saturation"]
    assert points(behind)[-1][1]["eval/saturation_reachable_error"] < 0.01
    assert abs(points(baseline)[-1][1]["eval/saturation"] - 0.3) > 0.02
    again = start(controls=aims, steps=6, head_gain=1, recolour=True)
    assert again.fit(tmp_path / "behind", baseline=tmp_path / "baseline")
    assert points(again) == points(behind)


# What a trial leaves


def test_a_trial_leaves_two_checkpoints_and_a_grid_of_each_evaluation(
    start: Start, tmp_path: Path
) -> None:
    of = start(steps=14, evaluate_every=4)
    assert of.fit(tmp_path)
    kept = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-00000012", "step-00000014"]
    grids = sorted(p.name for p in (tmp_path / "samples").iterdir())
    assert grids == [f"step-{step:08d}.png" for step in (4, 8, 12, 14)]
    assert list(series(of, "eval/mae")) == [4, 8, 12, 14]
    assert list(series(of, "loss/l1")) == [5, 10, 14]


def test_checkpoints_take_no_more_than_their_share_of_the_time(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "CHECKPOINT_SHARE", 0.1)
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0)
    spent = []

    class Slow(Trainer):
        def save(self, trial: Path) -> None:
            before = time.monotonic()
            super().save(trial)
            time.sleep(0.2)
            spent.append(time.monotonic() - before)

    config = start(steps=120).config
    of = Slow(config, load(config), CPU)
    before = time.monotonic()
    assert of.fit(tmp_path)
    whole = time.monotonic() - before
    # The first comes at once and the last at the end, whatever they cost.
    assert sum(spent[1:-1]) < 0.1 * whole
    assert len(spent) < 10


def test_the_grid_shows_grayscale_original_and_colorized(start: Start, tmp_path: Path) -> None:
    of = start(steps=1)
    of.fit(tmp_path)
    grid = read_grid(checkpoint.sample_file(tmp_path, 1).read_bytes())
    assert grid.shape == (3, 12, 32, 32, 3)
    with np.load(str(of.config.dataset_path)) as archive:
        np.testing.assert_array_equal(grid[1], archive["test"][:12])
    assert np.ptp(grid[0].astype(int), axis=-1).max() <= 1, "gray"
    assert np.ptp(grid[2].astype(int), axis=-1).mean() > 5, "in colour"
    # The same lightness in every row: luminance is what grayscale keeps.
    luminance = [((row / 255) ** 2.2) @ [0.2126, 0.7152, 0.0722] for row in grid]
    np.testing.assert_allclose(luminance[0], luminance[1], atol=0.03)
    np.testing.assert_allclose(luminance[2], luminance[1], atol=0.03)


def test_the_metrics_are_those_of_the_pictures_made(start: Start) -> None:
    of = start()
    of.train_step()
    of.evaluate()
    ((_, metrics),) = points(of)
    made = colorize_batch(of.gan.generator, of.held_out.l, 8).double().permute(0, 2, 3, 1).numpy()
    with np.load(str(of.config.dataset_path)) as archive:
        original = archive["test"][:12] / 255
    high, low = made.max(axis=-1), made.min(axis=-1)
    saturation = ((high - low) / np.maximum(high, 1e-3)).mean(axis=(1, 2))
    # Red, green and blue pull at 0, 120 and 240 degrees.
    angle = np.angle((made @ np.exp(2j * np.pi * np.arange(3) / 3)).mean(axis=(1, 2)))
    wanted = {
        "eval/mae": np.abs(made - original).mean(),
        "eval/saturation": saturation.mean(),
        "eval/saturation_error": np.abs(saturation - 0.75).mean(),
        "eval/hue": np.angle(np.exp(1j * angle).mean()) / (2 * np.pi) % 1,
        "eval/hue_error": np.abs((angle / (2 * np.pi) - 0.6 + 0.5) % 1 - 0.5).mean(),
        "eval/red": made[..., 0].mean(),
        "eval/green": made[..., 1].mean(),
        "eval/blue": made[..., 2].mean(),
        # Whatever the lightness, some chroma of that hue can be had.
        "eval/hue_reachable": 0.6,
    }
    reachable = metrics.pop("eval/saturation_reachable")
    assert {name: metrics[name] for name in wanted} == pytest.approx(wanted, abs=1e-4)
    assert reachable == pytest.approx(0.75, abs=0.02)


def test_evaluating_changes_nothing_of_the_training(start: Start) -> None:
    often, never = start(), start()
    for _ in range(4):
        often.train_step()
        often.evaluate()
        never.train_step()
    assert torch.equal(weights(often), weights(never))


def test_the_checkpoints_generator_makes_the_pictures_of_the_grid(
    start: Start, tmp_path: Path
) -> None:
    of = start(steps=3)
    of.fit(tmp_path)
    newest = checkpoint.newest(tmp_path)
    assert newest is not None
    loaded = load_generator(newest)
    with torch.inference_mode():
        ab = loaded(of.held_out.l)
        assert torch.allclose(ab, of.gan.generator.eval()(of.held_out.l), atol=1e-5)


def test_progress_tells_where_the_trial_is(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "PROGRESS_SECONDS", 0)
    seen: list[Progress] = []
    of = start(steps=12)
    assert of.fit(tmp_path, on_progress=seen.append)
    assert [p.step for p in seen] == list(range(1, 13))
    assert {p.total_steps for p in seen} == {12}
    assert [p.durable_step for p in seen] == [0] * 9 + [10, 10, 12]
    assert [p.epoch for p in seen] == [step / 8 for step in range(1, 13)]
    assert all(p.images_per_second > 0 for p in seen)
    assert "loss/l1" not in seen[3].metrics
    assert seen[-1].metrics["loss/l1"] == series(of, "loss/l1")[12]
    assert seen[-1].metrics["eval/mae"] == series(of, "eval/mae")[12]
