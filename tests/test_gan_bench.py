import copy
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from skimage.color import rgb2lab
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gan.bench import bench, choose_device
from gan.color import rgb_to_l_ab
from gan.config import TrainConfig
from gan.controls import STATISTICS
from gan.data import Batches
from gan.datasets import load
from gan.errors import UserError
from gan.images import ImageSet
from gan.plain import LabPictures, PlainLoop
from gan.speed import Bench, Round, lines
from gan.step import GanStep
from gan.trainer import CHECKPOINT_SHARE

CPU = torch.device("cpu")
STEPS = 50
TINY = {
    "base_channels": 4,
    "batch_size": 8,
    "eval_images": 12,
    "precision": "float32",
    "penalty_from_step": 0.0,
    "controls": {"saturation": {"target": 0.75}, "hue": {"target": 0.6}},
}


def tiny(npz: Path, **fields: object) -> TrainConfig:
    data = {"dataset": "npz", "dataset_path": str(npz), "steps": STEPS}
    return TrainConfig.model_validate({**data, **TINY, **fields})


def pictures_of(config: TrainConfig) -> Tensor:
    images = load(config).train
    assert isinstance(images, ImageSet)
    return images.pixels.view(len(images), config.image_size, config.image_size, 3)


@pytest.fixture
def same_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch draws in memory order: other places drop out in NCHW than in channels-last."""

    def by_place(self: nn.Dropout, x: Tensor) -> Tensor:
        return x * (torch.rand(x.shape) >= self.p) / (1 - self.p) if self.p else x

    monkeypatch.setattr(nn.Dropout, "forward", by_place)


class Pair:
    """The engine's step and the plain loop, given the same batches."""

    def __init__(self, config: TrainConfig, plain: TrainConfig | None = None) -> None:
        self.fast = GanStep(config, config.total_steps(1), CPU)
        self.plain = PlainLoop(plain or config, pictures_of(config), CPU)
        self.batches = Batches(load(config).train, config)
        self.networks = [
            (self.fast.generator, self.plain.generator),
            (self.fast.discriminator, self.plain.discriminator),
        ]
        self.optimizers = [
            (self.fast.optimizers["generator"], self.plain.generator_optimizer),
            (self.fast.optimizers["discriminator"], self.plain.discriminator_optimizer),
        ]
        self.start = self.weights()[1]

    def step(self, number: int) -> float:
        """Update both; returns the largest difference of a loss, in parts of it."""
        rgb = self.batches.at(number)
        torch.manual_seed(number)
        self.fast(rgb, number, 1.0)
        fast = self.fast.means(number + 1, number)
        self.fast.sums.zero_()
        torch.manual_seed(number)
        plain = self.plain.update(*(x.contiguous() for x in (*rgb_to_l_ab(rgb), rgb)))
        assert list(fast) == list(plain)
        return max(abs(fast[name] / plain[name] - 1) for name in plain)

    def level(self) -> None:
        """Go on from the engine's weights and moments in both."""
        for fast, plain in self.networks:
            plain.load_state_dict(fast.state_dict())
        for ours, theirs in self.optimizers:
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in copy.deepcopy(ours.state()).items():
                index, field = name.split(".")
                state.setdefault(int(index), {})[field] = tensor
            groups = theirs.state_dict()["param_groups"]
            theirs.load_state_dict({"state": state, "param_groups": groups})

    def weights(self) -> tuple[Tensor, Tensor]:
        """All weights of each, as one vector."""
        fast, plain = (
            torch.cat([p.detach().double().flatten() for n in of for p in n.parameters()])
            for of in zip(*self.networks, strict=True)
        )
        return fast, plain


def run_levelled(pair: Pair, steps: int = STEPS) -> tuple[float, float]:
    """Largest difference of a loss, and of an update in parts of it, each from equal weights."""
    losses, updates = [], []
    for number in range(steps):
        _, before = pair.weights()
        losses.append(pair.step(number))
        fast, plain = pair.weights()
        updates.append(float((fast - plain).norm() / (plain - before).norm()))
        pair.level()
    return max(losses), max(updates)


def run_freely(pair: Pair) -> tuple[float, float]:
    """Largest difference of a loss, and of the way that the weights went in parts of it."""
    losses = max(pair.step(number) for number in range(STEPS))
    fast, plain = pair.weights()
    return losses, float((fast - plain).norm() / (plain - pair.start).norm())


# Numerically equal to a plain loop


# Each loss sums thousands of float32 (6e-8) terms, in another order: seen 6e-6 of the loss.
LOSS = 2e-5
# Adam divides by the gradient's own size, so that weights whose gradient is rounding alone move
# as far as others: seen 6e-3 of an update at the first step.
UPDATE = 2e-2
# From there on differences grow: the plain loop started from weights that are off by one rounding
# (6e-8) went 2e-2 of its way apart in 50 steps, the engine 4e-2; losses were 1e-4 apart.
FREE_LOSS, FREE_WAY = 1e-3, 1e-1
# bfloat16 has 8 bits: 4e-3 each rounding. Seen 1e-2.
BFLOAT16_LOSS = 3e-2


@pytest.mark.parametrize("fields", [{}, {"discriminator_every": 2, "seed": 1}], ids=str)
def test_each_of_50_steps_has_the_losses_of_the_plain_loop(
    small_npz: Path, same_dropout: None, fields: dict[str, object]
) -> None:
    losses, _ = run_levelled(Pair(tiny(small_npz, **fields)))
    assert losses < LOSS


def test_each_of_50_updates_is_the_plain_loops(small_npz: Path, same_dropout: None) -> None:
    # Without control: near grey a rounding decides which channel is the largest, and with that
    # the direction of the saturation's gradient.
    config = tiny(small_npz, controls={})
    losses, updates = run_levelled(Pair(config))
    assert losses < LOSS
    assert updates < UPDATE


def test_50_steps_end_where_the_plain_loop_ends(small_npz: Path, same_dropout: None) -> None:
    losses, way = run_freely(Pair(tiny(small_npz, controls={})))
    assert losses < FREE_LOSS
    assert way < FREE_WAY


def test_bfloat16_has_the_losses_of_the_plain_loop_to_its_precision(
    small_npz: Path, same_dropout: None
) -> None:
    losses, _ = run_levelled(Pair(tiny(small_npz, precision="bfloat16")))
    assert LOSS < losses < BFLOAT16_LOSS


@pytest.mark.parametrize(
    "other",
    [
        {"label_smoothing": 0.0995},
        {"l1_weight": 100.01},
        {"leaky_slope": 0.2002},
        {"generator_lr": 2.1e-4},
        {"beta1": 0.45},
    ],
    ids=str,
)
def test_the_tolerances_tell_a_plain_loop_of_slightly_other_settings(
    small_npz: Path, same_dropout: None, other: dict[str, object]
) -> None:
    pair = Pair(tiny(small_npz, controls={}), tiny(small_npz, controls={}, **other))
    losses, updates = run_levelled(pair, steps=10)
    assert losses > LOSS or updates > UPDATE


def test_the_plain_loop_loads_the_lab_of_scikit_image(small_npz: Path) -> None:
    config = tiny(small_npz, augment=False)
    pictures = pictures_of(config)
    wanted = torch.from_numpy(rgb2lab(pictures.numpy())).permute(0, 3, 1, 2).float()
    l, ab, rgb = next(iter(PlainLoop(config, pictures, CPU).loader))  # noqa: E741
    assert l.dtype == ab.dtype == torch.float32
    assert (l.shape, ab.shape) == ((8, 1, 32, 32), (8, 2, 32, 32))
    assert torch.equal(rgb_to_l_ab(rgb)[1], ab), "of the same pictures"
    lab = torch.cat([(l + 1) * 50, ab * 110], dim=1)
    distance = (lab[:, None] - wanted).abs().amax(dim=(2, 3, 4))
    assert distance.amin(dim=1).max() < 0.02
    assert len(set(distance.argmin(dim=1).tolist())) == 8, "eight pictures, none twice"


def test_the_plain_loop_flips_pictures_only_to_augment(small_npz: Path) -> None:
    pictures = pictures_of(tiny(small_npz))[:1]
    torch.manual_seed(0)
    for augment, count in ((False, 1), (True, 2)):
        data = LabPictures(pictures, augment)
        assert len({data[0][1].numpy().tobytes() for _ in range(16)}) == count


# What a CUDA graph can record, as far as a CPU can tell


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes where the CPU would wait for a GPU: tensors made of numbers, numbers read."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if (name := func.overloadpacket.__name__) in ("lift_fresh", "_local_scalar_dense"):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_an_update_makes_no_gpu_wait(small_npz: Path) -> None:
    config = tiny(small_npz, controls={name: {"target": 0.5} for name in STATISTICS})
    gan = GanStep(config, STEPS, CPU)
    rgb = Batches(load(config).train, config).at(0)
    gan(rgb, 0, 1.0)
    with Waits() as waits:
        gan(rgb, 1, 1.0)
        assert waits.seen == []
        assert torch.tensor([1.0]).item() == 1
    assert waits.seen == ["lift_fresh", "_local_scalar_dense"]


# What a measurement says


MADE = Bench(
    device="CPU, 1 thread(s)",
    precision="float32",
    image_size=32,
    base_channels=64,
    batch_size=50,
    rounds=(Round(100, 20, 300), Round(110, 30, 300), Round(90, 9, 100)),
    evaluation_ms=4000,
    recolouring_ms=None,
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
    for figure in ("500.0", "166.7", "100.00", "300.00", "2.73", "1.11 to 3.00", "123 MB", "34.1%"):
        assert figure in shown


def test_slow_checkpoints_are_fewer() -> None:
    # 84.4 seconds from one evaluation to the next, with eight more checkpoints on the way.
    assert MADE.parts_ms(20, 800)["checkpoints"] == pytest.approx(60 * 9 / 800)
    slow = replace(MADE, checkpoint_ms=3000)
    assert slow.parts_ms(20, 200)["checkpoints"] == pytest.approx(120.5 * CHECKPOINT_SHARE)


@pytest.fixture(scope="module")
def measured() -> Bench:
    config = TrainConfig.model_validate({"steps": 1, **TINY})
    return bench(config, CPU, rounds=3, seconds=0.2)


def test_a_measurement_is_of_the_config_given(measured: Bench) -> None:
    assert (measured.image_size, measured.base_channels, measured.batch_size) == (32, 4, 8)
    assert len(measured.rounds) == 3
    assert measured.precision == "float32"
    assert all(min(r.fast, r.colours, r.plain) > 0 for r in measured.rounds)
    assert min(measured.evaluation_ms, measured.log_ms, measured.checkpoint_ms) > 0
    assert all(0 <= share <= 1 for share in measured.outside.values())
    assert 0 < measured.outside_share < 1
    assert measured.memory_mb > 100, "torch alone takes more"
    assert all(len(line) <= 80 for line in lines(measured))


def test_controls_and_colour_maths_show_in_the_share_outside_the_networks(
    measured: Bench,
) -> None:
    without = TrainConfig.model_validate({"steps": 1, **TINY, "controls": {}})
    assert (
        measured.outside["colours"] > bench(without, CPU, rounds=3, seconds=0.2).outside["colours"]
    )


def test_measuring_runs_from_the_engines_own_command_line() -> None:
    options = ["--device", "cpu", "--base-channels", "1", "--batch-size", "100"]
    options += ["--rounds", "1", "--seconds", "0.2"]
    command = [sys.executable, "-W", "error", "-m", "gan.bench", *options, "--json"]
    root = Path(__file__).parents[1]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, cwd=root, env=one_thread)
    assert (ended.returncode, ended.stderr) == (0, "")
    figures = json.loads(ended.stdout)
    (turn,) = figures["rounds"]
    assert figures["ratio"] == pytest.approx(turn["plain"] / turn["fast"])
    assert figures["fast_images_per_second"] == pytest.approx(100_000 / turn["fast"])


def test_a_gpu_that_is_not_there_is_refused() -> None:
    assert choose_device("cpu") == CPU
    if torch.cuda.is_available():
        assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    else:
        assert choose_device("auto") == CPU
        with pytest.raises(UserError, match="--device cuda: no usable GPU"):
            choose_device("cuda")
