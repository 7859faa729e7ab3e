"""Held-out images that a trial is measured on, with the properties that training cannot change."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from gan.colour.conversion import rgb_to_l_ab
from gan.colour.statistics import STATISTICS
from gan.control import ControlName
from gan.evaluation import samples

_PIXELS_AT_A_TIME = {"cpu": 2**18, "cuda": 2**22}
"""For 32-pixel images, 256 images on the CPU, where larger chunks take memory without being faster,
and 4,096 on a GPU, which is fastest with few, large kernels."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out images of a trial, with the properties that training cannot change."""

    rgb: Tensor
    """(n, 3, H, W) in [0, 1]."""
    l: Tensor  # noqa: E741
    """(n, 1, H, W), scaled lightness in [-1, 1]."""
    ab: Tensor
    """(n, 2, H, W), scaled colour in [-1, 1]."""
    statistics: dict[ControlName, Tensor]
    """Every statistic of every image: (n,), on the CPU."""
    photograph: Tensor
    """(n,), on the CPU: index of the photograph that each image is a crop of."""
    columns: Tensor
    """Indices of the images in the sample grid."""
    _reachable: dict[tuple[ControlName, float], Tensor] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def of(cls, rgb: Tensor, photograph: Tensor) -> "HeldOut":
        """Prepare images; the grid shows an even selection of different photographs."""
        count = len(set(photograph.tolist()))
        # The first crops are of different photographs.
        columns = torch.linspace(0, count - 1, min(samples.COLUMNS, count)).round().long()
        lab = in_parts(lambda part: torch.cat(rgb_to_l_ab(part), dim=1), rgb)
        l, ab = lab[:, :1].contiguous(), lab[:, 1:].contiguous()  # noqa: E741
        statistics = {
            name: in_parts(statistic.measure, rgb).cpu() for name, statistic in STATISTICS.items()
        }
        return cls(rgb, l, ab, statistics, photograph, columns)

    @property
    def photographs(self) -> int:
        """Number of photographs that the images are crops of."""
        return len(set(self.photograph.tolist()))

    def reachable(self, name: ControlName, target: float) -> Tensor:
        """Return the value nearest to a target that any colouring of each image can have: (n,).

        The result is on the CPU. Values are looked up pixel by pixel, once for each target.
        """
        if (found := self._reachable.get((name, target))) is None:
            reachable = partial(STATISTICS[name].reachable, target=target)
            found = self._reachable[name, target] = in_parts(reachable, self.l).cpu()
        return found


def in_parts(function: Callable[..., Tensor], *images: Tensor) -> Tensor:
    """Apply a function to chunks of images of the best size, and concatenate the results.

    Args:
        function: takes a chunk (k, C, H, W) of each of the ``images``; returns (k, ...).
        images: (n, C, H, W) each.
    """
    size = at_a_time(images[0])
    parts = zip(*(torch.split(x, size) for x in images), strict=True)
    return torch.cat([function(*part) for part in parts])


def at_a_time(images: Tensor) -> int:
    """Return how many images (n, C, H, W) are best processed at once."""
    return max(1, _PIXELS_AT_A_TIME[images.device.type] // images[0, 0].numel())
