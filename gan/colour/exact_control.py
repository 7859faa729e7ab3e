"""Exact control, which moves each picture's colours until its statistics reach their targets.

It complements steering in training, and fits training pictures to targets. For every statistic
but hue, colours follow a path (``colour_paths``) to the statistic's extreme, so that every
reachable target lies on it; for hue they rotate (``gan.colour.turns``). The place is bisected on a
sample of the pixels and corrected on all of them, in a fixed number of steps and without waiting
for the device, so that a CUDA graph can record the search.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gan.colour.colour_paths import END, ColourPath, leads_up, path, path_to
from gan.colour.conversion import luminance, rgb_to_l_ab, tinted
from gan.colour.statistic import Statistic
from gan.colour.statistics import STATISTICS
from gan.colour.turns import Turn, crossing, turn
from gan.control import ControlName

Errors = Callable[[Tensor], Tensor]
"""Function of places (N,): by how much each picture has passed its target there, (N,)."""

Move = Callable[[Tensor, Tensor], Tensor]
"""Function of L (1, 1, H, W) and ab (1, 2, H, W) that returns ab (1, 2, H, W)."""

SEARCHED = 2
"""Halvings saved by the search for a hue's crossing."""
STRIDE = 0.1
"""Longest secant step along a path; on a plateau a secant could lead anywhere."""
FLAT = 0.01
"""Slope below which a secant is unusable."""


@dataclass(frozen=True)
class Precision:
    """Amount of arithmetic spent on one control."""

    pixels: int
    """Sampled pixels of each picture, on which the place is bisected."""
    halvings: int
    """Halvings of the bracket, on the sampled pixels."""
    passes: int
    """Bisections; each corrects for the sampling error found after the previous one."""
    steps: int
    """Steps of the secant method, on all pixels."""
    rounds: int
    """Rounds over several controls, as moving one disturbs the others."""


EXACT = Precision(pixels=256, halvings=10, passes=2, steps=4, rounds=4)
FITTED = Precision(pixels=64, halvings=8, passes=1, steps=2, rounds=2)


def exact(
    l: Tensor,  # noqa: E741
    ab: Tensor,
    targets: Mapping[ControlName, Tensor],
    precision: Precision = EXACT,
) -> Tensor:
    """Move each picture's colours until its statistics reach their targets.

    An unreachable target gives the nearest reachable value (``Statistic.reachable``); for
    colourfulness, the nearest on its path. With several controls, every round moves hue first and
    the others in the order given; the last one is exact.

    Args:
        l: (N, 1, H, W), scaled lightness in [-1, 1].
        ab: (N, 2, H, W), scaled colour in [-1, 1].
        targets: (N,) by name, one for each picture, in the statistic's own unit.
        precision: ``EXACT`` or ``FITTED``.

    Returns:
        (N, 2, H, W): ab of sRGB colours, without a gradient.
    """
    # Colour arithmetic is float32, even under autocast (``gan.colour.conversion``).
    with torch.no_grad(), torch.autocast(l.device.type, enabled=False):
        l, ab = l.detach().float(), ab.detach().float()  # noqa: E741
        for _ in range(precision.rounds if len(targets) > 1 else 1):
            for name in _in_order(targets):
                move = _turned if STATISTICS[name].circular else _moved
                ab = _as_shown(l, move(STATISTICS[name], l, ab, targets[name], precision))
    return ab


def fit(l: Tensor, ab: Tensor, targets: Mapping[ControlName, Tensor]) -> Tensor:  # noqa: E741
    """Move colours like ``exact``, at a cost that a training step can afford.

    Args:
        l: (N, 1, H, W), scaled lightness in [-1, 1].
        ab: (N, 2, H, W), scaled colour in [-1, 1], of sRGB colours.
        targets: (N,) by name, one for each picture, in the statistic's own unit.

    Returns:
        (N, 2, H, W): ab of sRGB colours, without a gradient.
    """
    return exact(l, ab, targets, FITTED)


def correction(
    l: Tensor,  # noqa: E741
    ab: Tensor,
    targets: Mapping[ControlName, Tensor],
    precision: Precision = EXACT,
) -> Move:
    """Find the small move still missing in a picture that is nearly at its targets.

    Args:
        l: (1, 1, H, W), scaled lightness in [-1, 1] of pixels that represent the picture.
        ab: (1, 2, H, W), scaled colour in [-1, 1], of sRGB colours.
        targets: (1,) by name, in the statistic's own unit.
        precision: ``EXACT`` or ``FITTED``.

    Returns:
        A function that applies this move to any pixels of the picture.
    """
    moves: list[Move] = []
    for name in _in_order(targets):
        statistic, target = STATISTICS[name], targets[name]
        found = _turning if statistic.circular else _moving
        moves.append(found(statistic, l, ab, target, precision))
        ab = moves[-1](l, ab)

    def move(l: Tensor, ab: Tensor) -> Tensor:  # noqa: E741
        for each in moves:
            ab = each(l, ab)
        return ab

    return move


def _moving(
    statistic: Statistic,
    l: Tensor,  # noqa: E741
    ab: Tensor,
    target: Tensor,
    precision: Precision,
) -> Move:
    up = leads_up(statistic, l, ab, target)
    place = _place(path_to(statistic, l, ab, up), target, precision)
    return lambda l, ab: _as_shown(l, path_to(statistic, l, ab, up).at(place))  # noqa: E741


def _turning(
    statistic: Statistic,
    l: Tensor,  # noqa: E741
    ab: Tensor,
    target: Tensor,
    precision: Precision,
) -> Move:
    tint, angle = _angle(statistic, turn(l, ab, target), target, precision)
    return lambda l, ab: _as_shown(l, turn(l, ab, target).at(tint, angle))  # noqa: E741


def _in_order(targets: Mapping[ControlName, Tensor]) -> list[ControlName]:
    return sorted(targets, key=lambda name: not STATISTICS[name].circular)


def _as_shown(l: Tensor, ab: Tensor) -> Tensor:  # noqa: E741
    """Map ab into sRGB: over repeated moves, colours far outside would lose their lightness."""
    return rgb_to_l_ab(tinted(luminance(l), ab))[1]


def _moved(
    statistic: Statistic,
    l: Tensor,  # noqa: E741
    ab: Tensor,
    target: Tensor,
    precision: Precision,
) -> Tensor:
    whole = path(statistic, l, ab, target)
    return whole.at(_place(whole, target, precision))


def _place(whole: ColourPath, target: Tensor, precision: Precision) -> Tensor:
    """Return the places (N,) on a path at which the targets are met."""
    sample = whole.sparse(precision.pixels)
    at_once = _places_at_once(precision.halvings, target.device)
    few, all_ = sample.short_of(target), whole.short_of(target)
    many = sample.repeated(at_once).short_of(target.repeat(at_once))
    ends = (torch.zeros_like(target), torch.full_like(target, END))
    place, missed = ends[0], torch.zeros_like(target)
    for n in range(precision.passes):
        if n:
            # The sampling error there; a slope would mislead on a plateau, so the search repeats.
            missed = all_(place) - few(place)
        place = _searched(many, at_once, *ends, precision.halvings, missed)
    slope = _slope(few, place, *ends)
    return _corrected(all_, place, slope, *ends, STRIDE, precision.steps)


def _turned(
    statistic: Statistic,
    l: Tensor,  # noqa: E741
    ab: Tensor,
    target: Tensor,
    precision: Precision,
) -> Tensor:
    whole = turn(l, ab, target)
    return whole.at(*_angle(statistic, whole, target, precision))


def _angle(
    statistic: Statistic, whole: Turn, target: Tensor, precision: Precision
) -> tuple[Tensor, Tensor]:
    """Return the tints (N,) and angles (N,) at which the target hues are met."""
    few = whole.sparse(precision.pixels)
    near = crossing(statistic, few, target)
    error = partial(near.error, statistic, target)
    ends = (near.low, near.high)
    halvings = precision.halvings - SEARCHED
    at_once = _places_at_once(halvings, target.device)
    many = partial(
        near.repeated(at_once).error, statistic, target.repeat(at_once), few.repeated(at_once)
    )
    place = _searched(many, at_once, *ends, halvings)
    slope = _slope(partial(error, few), place, *ends)
    # The sampled pixels' bracket need not hold for all pixels.
    margin = (near.high - near.low) / 2
    ends = (near.low - margin, near.high + margin)
    whole_error = partial(error, whole)
    return near.tint, _corrected(whole_error, place, slope, *ends, math.pi, precision.steps)


def _places_at_once(halvings: int, device: torch.device) -> int:
    """Return the number of places at which a search computes the error at once.

    A GPU takes about as long for many small pictures as for one: two rounds there do the work of
    all halvings, an even number.
    """
    return 2 ** (halvings // 2) - 1 if device.type == "cuda" else 1


def _searched(
    error: Errors,
    at_once: int,
    low: Tensor,
    high: Tensor,
    halvings: int,
    missed: Tensor | float = 0.0,
) -> Tensor:
    """Find the places (N,) between two others at which a growing error plus ``missed`` is zero.

    Args:
        error: function of places (at_once * N,): one of every picture, then the next of every one.
        at_once: number of places of each picture at which the error is computed at once, 2^n - 1;
            1 bisects.
        low: (N,).
        high: (N,).
        halvings: number of halvings of the bracket, a multiple of n.
        missed: (N,), added to the error.
    """
    parts, rounds = at_once + 1, halvings // at_once.bit_length()
    ordinal = torch.arange(parts + 1, device=low.device)[:, None]
    for _ in range(rounds):
        places = (low * (parts - ordinal) + high * ordinal) / parts
        short = error(places[1:-1].flatten()).view(at_once, -1) + missed < 0
        # Up to the first place that is not short: one of two neighbours is, the other is not.
        before = short.long().cumprod(dim=0).sum(dim=0, keepdim=True)
        low, high = places.gather(0, before)[0], places.gather(0, before + 1)[0]
    return (low + high) / 2


def _slope(error: Errors, place: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return an error's slope (N,) at a place, by a central difference scaled to the bracket."""
    step = (high - low) / 2**8
    return (error(place + step) - error(place - step)) / (2 * step)


def _corrected(
    error: Errors,
    place: Tensor,
    slope: Tensor,
    low: Tensor,
    high: Tensor,
    stride: float,
    steps: int,
) -> Tensor:
    """Find the zero of a growing error from a nearby place, by secants kept inside a bracket."""
    before, value_before = place, torch.zeros_like(place)
    for _ in range(steps):
        value = error(place)
        secant = (value - value_before) / (place - before)
        # Two equal places, or a plateau, give no usable slope.
        useful = (place != before) & (secant > FLAT)
        slope = torch.where(useful, secant, slope)
        low = torch.where(value < 0, place, low)
        high = torch.where(value < 0, high, place)
        before, value_before = place, value
        place = place - (value / slope.clamp(min=FLAT)).clamp(-stride, stride)
        inside = (place >= low) & (place <= high)
        place = torch.where(inside, place, (low + high) / 2)
    return place
