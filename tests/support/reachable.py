"""Exact control in tests: how far pictures are from what they can reach, and the GPU's search."""

import pytest
import torch
from torch import Tensor

from gan.colour import exact_control
from gan.colour.conversion import l_ab_to_rgb
from gan.colour.statistics import STATISTICS
from gan.control import ControlName


def errors(name: ControlName, l: Tensor, ab: Tensor, target: Tensor) -> Tensor:  # noqa: E741
    """Of each picture from what it can reach, in parts of the statistic's range: (N,)."""
    statistic = STATISTICS[name]
    reachable = [
        statistic.reachable(one[None], wanted.item()) for one, wanted in zip(l, target, strict=True)
    ]
    measured = statistic.measure(l_ab_to_rgb(l, ab))
    return statistic.distance(measured, torch.cat(reachable)) / statistic.span


def search_as_on_a_gpu(patch: pytest.MonkeyPatch) -> None:
    """Search at as many places at once as on a GPU, on any device."""
    own = exact_control._places_at_once
    cuda = torch.device("cuda")
    patch.setattr(exact_control, "_places_at_once", lambda halvings, device: own(halvings, cuda))
