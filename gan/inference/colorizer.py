"""Colorization of pictures of any size by a trained generator, in the pictures' own lightness.

The generator sees L at about the scale of its training. Its ab is enlarged to the picture's size
and composed with the picture's luminance, one band of rows at a time, so that memory beyond the
picture and the result does not grow with them. Colours are moved to the targets at a reduced scale
and measured as they will be written, at full size; what is missed there is aimed at again.
"""

from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Self

import torch
from numpy.typing import NDArray
from torch import Tensor

from gan.colour.exact_control import Move, exact
from gan.colour.statistic import of_each
from gan.control import TARGET_RANGES, ControlName, require_inside
from gan.errors import UserError
from gan.inference import seen
from gan.inference.memory import memory_error
from gan.inference.pixels import Sample
from gan.inference.prepared import Prepared
from gan.inference.sampled import NEAR, closing_in
from gan.inference.seen import Enlarged, resized
from gan.model.networks import UNetGenerator
from gan.model.stored_generator import load_generator
from gan.pretrained import PRETRAINED, PRETRAINED_TARGETS

Targets = Mapping[ControlName, float]
"""Targets by name, in the statistics' own units."""


class Colorizer:
    """Generator that colours pictures and preserves their lightness."""

    def __init__(self, generator: UNetGenerator, assumed: Targets | None = None) -> None:
        """Move a loaded generator to a GPU, if there is one.

        Args:
            generator: from ``load_generator``.
            assumed: targets of inputs for which none is given; none by default.
        """
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.config = generator.config
        # On a CPU convolutions take 0.12 s instead of 0.16 s in this layout.
        self.generator = generator.to(self.device).to(memory_format=torch.channels_last).eval()
        self.assumed = dict(assumed or {})

    @classmethod
    def load(cls, path: str | Path = PRETRAINED) -> Self:
        """Load anything that ``load_generator`` takes, such as a checkpoint or an export.

        By default it is the generator that comes along.

        Raises:
            UserError: there is no generator.
        """
        path = Path(path)
        return cls(load_generator(path), PRETRAINED_TARGETS if path == PRETRAINED else None)

    @memory_error()
    def __call__(
        self,
        picture: NDArray[Sample] | Prepared,
        targets: Targets | None = None,
        *,
        raw: bool = False,
        move: Move | None = None,
    ) -> NDArray[Sample]:
        """Colour a picture.

        Args:
            picture: (H, W) or (H, W, C) sRGB, C of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB,
                alpha); uint8, uint16, or float32 in [0, 1]. One that is ``Prepared`` is reduced
                once for all its targets.
            targets: targets by name, in the statistics' own units; they replace those that the
                generator was trained for. An any-target generator needs its targets.
            raw: whether to leave the generator's colours unchanged; else exact control moves
                them to the targets, or to the nearest reachable values.
            move: move of the generator's colours instead, such as a ``Scene`` has.

        Returns:
            (H, W, 3), or (H, W, 4) with the picture's alpha; dtype and L are the picture's.

        Raises:
            TypeError: the picture is not an array, or a target is no number.
            ValueError: the array is not such a picture, or a target is out of its range.
            UserError: a target is missing, or there is no such target.
            MemoryError: it does not fit in memory.
        """
        prepared = picture if isinstance(picture, Prepared) else Prepared(picture)
        wanted = self.targets(targets or {})
        with torch.inference_mode():
            ab = self.generated(prepared, wanted)
            if raw or move is not None or not wanted:
                return prepared.composed(Enlarged(ab, prepared.sides), move)
            return prepared.composed(*_met(prepared, ab, wanted))

    def targets(self, given: Targets) -> dict[ControlName, float]:
        """Return the targets of a picture: those given, and the generator's own for the others.

        Without any, return those that are assumed.

        Raises:
            TypeError: a target is no number.
            ValueError: a target is out of its range.
            UserError: a target is missing, or there is no such target.
        """
        for name, value in given.items():
            if name not in TARGET_RANGES:
                raise UserError(f"{name}: no such target; valid: {', '.join(TARGET_RANGES)}")
            if isinstance(value, bool) or not isinstance(value, Real):
                raise TypeError(f"{name}: a target is a number, not {type(value).__name__}")
            require_inside(name, value, TARGET_RANGES[name])
        controls = self.config.controls.items()
        own = {name: control.wanted for name, control in controls if not control.is_any}
        if lacking := self.config.any_controls.keys() - given.keys() - self.assumed.keys():
            raise UserError(f"this generator needs a target for {', '.join(sorted(lacking))}")
        return {**own, **given} or dict(self.assumed)

    def generated(self, picture: Prepared, wanted: Targets) -> Tensor:
        """Return the generator's own colours (1, 2, h, w), made once for equal inputs."""
        given = {**self.assumed, **wanted}
        key = (self.generator, *(given[name] for name in self.generator.conditions))
        if key not in picture.generated:
            size, stride = self.config.image_size, self.generator.stride
            sides = seen.seen_sides(picture.sides, size, stride)
            l, _ = picture.reduced(sides, picture.moved_sides)  # noqa: E741
            picture.generated[key] = seen.generated(self.generator, l, of_each(given, l))
        return picture.generated[key]


def _met(picture: Prepared, ab: Tensor, wanted: Targets) -> tuple[Enlarged, Move | None]:
    """Return colours that meet the targets at full size, with a move for what they still miss."""
    (l,) = picture.reduced(picture.moved_sides)  # noqa: E741
    start = resized(ab, picture.moved_sides)

    def attempt(aims: Targets) -> tuple[Enlarged, dict[ControlName, float]]:
        colours = Enlarged(exact(l, start, of_each(aims, l), picture.precision), picture.sides)
        return colours, picture.sample.missed(picture.at_sample(colours), wanted)

    colours, error = closing_in(attempt, wanted)
    if error < NEAR:
        return colours, None
    # Near the extremes each pixel has to go where its own lightness allows, at full size.
    at_sample = picture.at_sample(colours)
    move, moved_error = picture.sample.move_to(at_sample, wanted, picture.precision)
    return colours, move if moved_error < error else None
