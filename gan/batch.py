"""A batch: pictures in the form that networks and losses see, with the targets of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from gan.color import rgb_to_l_ab
from gan.config import ControlName

Targets = Mapping[ControlName, Tensor]
"""The wanted value of each picture, (N,), by statistic, in the statistic's own unit."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures as the photographs are, and the targets of each."""

    l: Tensor  # noqa: E741
    """(N, 1, H, W), scaled lightness in [-1, 1]."""
    ab: Tensor
    """(N, 2, H, W), scaled colour in [-1, 1]."""
    rgb: Tensor
    """(N, 3, H, W), sRGB in [0, 1]."""
    targets: Targets

    @classmethod
    def of(cls, rgb: Tensor, targets: Targets) -> "Batch":
        """Split pictures (N, 3, H, W), sRGB in [0, 1], into lightness and colour."""
        l, ab = rgb_to_l_ab(rgb)  # noqa: E741
        return cls(l, ab, rgb, targets)
