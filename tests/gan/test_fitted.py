from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gan.colour.conversion import rgb_to_l_ab
from gan.colour.exact_control import exact, fit
from gan.colour.statistic import of_each
from gan.colour.statistics import STATISTICS
from gan.config import TrainConfig
from gan.control import CONTROLS, TARGET_RANGES, ControlName
from gan.data.batches import training_batch
from gan.data.datasets import Dataset
from tests.support.reachable import errors

NAMES: tuple[ControlName, ...] = tuple(CONTROLS)


@pytest.fixture(scope="module")
def training(photos: Dataset) -> tuple[Tensor, Tensor]:
    """L and ab of training photographs."""
    return rgb_to_l_ab(training_batch(photos.train, TrainConfig(steps=1, batch_size=64), 0))


@pytest.mark.parametrize("name", NAMES)
def test_a_training_picture_is_fitted_to_a_target_within_its_reach(
    training: tuple[Tensor, Tensor], name: ControlName
) -> None:
    l, ab = training  # noqa: E741
    statistic = STATISTICS[name]
    low, high = (statistic.reachable(l, end) for end in TARGET_RANGES[name])
    if name == "colourfulness":
        high = 0.6 * high
    share = torch.rand(len(l), generator=torch.Generator().manual_seed(0))
    target = low + share * (high - low)
    assert errors(name, l, fit(l, ab, {name: target}), target).mean() <= 0.005


@pytest.mark.parametrize("name", NAMES)
def test_fitted_is_nearly_exact(training: tuple[Tensor, Tensor], name: ControlName) -> None:
    l, ab = training  # noqa: E741
    low, high = TARGET_RANGES[name]
    target = {name: low + (high - low) * torch.linspace(0.3, 0.6, len(l))}
    difference = (fit(l, ab, target) - exact(l, ab, target)).abs().mean(dim=(1, 2, 3))
    assert difference.median() < 2e-3
    assert (difference < 0.02).float().mean() > 0.9


def test_the_same_pictures_are_fitted_to_the_same_bits(training: tuple[Tensor, Tensor]) -> None:
    l, ab = training  # noqa: E741
    targets = of_each({"saturation": 0.6, "hue": 0.3}, l)
    before = ab.clone()
    assert torch.equal(fit(l, ab, targets), fit(l.clone(), ab.clone(), targets))
    assert torch.equal(ab, before), "its input is left alone"


def test_fitted_pictures_have_no_gradient_and_inference_mode_is_fine(
    training: tuple[Tensor, Tensor],
) -> None:
    l, ab = (x[:4] for x in training)  # noqa: E741
    targets = of_each({"saturation": 0.6, "hue": 0.3, "a": 0.0}, l)
    fitted = fit(l, ab.clone().requires_grad_(True), targets)
    assert not fitted.requires_grad
    with torch.inference_mode():
        assert torch.equal(fit(l, ab, targets), fitted)


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what makes the CPU wait for a GPU, or copies to it: no CUDA graph records that."""

    seen: frozenset[str] = frozenset()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "lift_fresh", "masked_select", "is_nonzero"):
            self.seen |= {name}
        return func(*args, **(kwargs or {}))


def test_fitting_waits_for_no_device(training: tuple[Tensor, Tensor]) -> None:
    l, ab = (x[:2] for x in training)  # noqa: E741
    for name in NAMES:
        target = {name: torch.zeros(2)}
        fit(l, ab, target)  # its tables are made once
        with Waits() as waits:  # type: ignore[no-untyped-call]
            fit(l, ab, target)
        assert not waits.seen
    with Waits() as waits:  # type: ignore[no-untyped-call]
        torch.tensor([1.0]).item()
    assert waits.seen == {"lift_fresh", "_local_scalar_dense"}, "they would be noticed"
