"""Sampled pixels of pictures, on which the way to the targets is found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from gan.colour.conversion import lightness, tinted
from gan.colour.exact_control import EXACT, Move, Precision, correction
from gan.colour.statistic import of_each
from gan.colour.statistics import STATISTICS
from gan.control import ControlName
from gan.inference.pixels import rounded

NEAR = 0.001
"""Distance from a target, as a share of its range, at which it counts as met."""
ROUNDS = 4
"""Most attempts at the targets, each corrected by what the one before missed."""

Targets = Mapping[ControlName, float]
Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class SampledPixels:
    """P pixels that represent a picture, or several pictures together."""

    light: Tensor
    """(1, 1, 1, P), Y in [0, 1]."""
    dtype: np.dtype[Any]
    """Type of the written samples; rounding to them moves the statistics of dark pixels."""
    _reachable: dict[tuple[ControlName, float], Tensor] = field(default_factory=dict)

    @classmethod
    def together(cls, several: Sequence[Self]) -> Self:
        """Join the pixels of several pictures."""
        return cls(torch.cat([each.light for each in several], dim=3), several[0].dtype)

    def chosen(self, indices: Tensor) -> Self:
        """Return some of the pixels, by their indices."""
        return type(self)(self.light[..., indices], self.dtype)

    def missed(self, ab: Tensor, wanted: Targets) -> dict[ControlName, float]:
        """Return by how much colours (1, 2, 1, P), as written, pass the nearest reachable values.

        A hue that is undefined, as of grey, passes nothing.
        """
        rgb = rounded(tinted(self.light, ab), self.dtype)
        grey = bool((rgb == rgb[:, :1]).all())
        found = {}
        for name, target in wanted.items():
            statistic, key = STATISTICS[name], (name, target)
            if key not in self._reachable:
                self._reachable[key] = statistic.reachable(lightness(self.light), target)
            known = not (grey and statistic.circular)
            error = statistic.difference(statistic.measure(rgb), self._reachable[key])
            found[name] = error.item() if known else 0.0
        return found

    def move_to(
        self, ab: Tensor, wanted: Targets, precision: Precision = EXACT
    ) -> tuple[Move, float]:
        """Find the move of colours (1, 2, 1, P) to targets.

        Returns:
            The move, and the largest error after it, as a share of its statistic's range.
        """
        l = lightness(self.light)  # noqa: E741

        def attempt(aims: Targets) -> tuple[Move, dict[ControlName, float]]:
            move = correction(l, ab, of_each(aims, l), precision)
            return move, self.missed(move(l, ab), wanted)

        return closing_in(attempt, wanted)


def closing_in(
    attempt: Callable[[Targets], tuple[Found, dict[ControlName, float]]], wanted: Targets
) -> tuple[Found, float]:
    """Attempt targets, and aim beside them by what was missed, until they are met.

    Args:
        attempt: function of aims that returns what it found and by how much it passed each target.
        wanted: the targets, the first aims.

    Returns:
        The nearest that was found, and its largest error, as a share of its statistic's range.
    """
    aims = dict(wanted)
    found, missed = attempt(aims)
    errors = _shares(missed)
    for _ in range(ROUNDS - 1):
        if (error := max(errors.values())) < NEAR:
            break
        # Aims may leave the range of targets: the way to them ends at its extreme.
        aims = {name: aims[name] - missed[name] for name in aims}
        other, missed = attempt(aims)
        after = _shares(missed)
        # Where targets exclude each other, one would be given up for another: two of grey.
        lost = any(after[name] > max(errors[name], error / 2) for name in after)
        if lost or (now := max(after.values())) >= error:
            break
        stuck = now > error / 2
        found, errors = other, after
        if stuck:
            break
    return found, max(errors.values())


def _shares(missed: Mapping[ControlName, float]) -> dict[ControlName, float]:
    """Return errors as shares of the statistics' ranges."""
    return {name: abs(value) / STATISTICS[name].span for name, value in missed.items()}
