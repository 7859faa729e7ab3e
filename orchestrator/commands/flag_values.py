"""Parsers of flag values."""

import json
import math
import re
from typing import Any

import click

from gan.config import TrainConfig


class FiniteRange(click.FloatRange):
    """Range of finite numbers; click's own takes nan, and without a bound inf."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a flag's value to a number within the bounds."""
        if not is_number(value):
            self.fail(f"{value!r} is not a number.", param, ctx)
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Numbers(click.ParamType):  # type: ignore[type-arg]  # no such argument in click 8.1
    """One number within bounds, several with commas, or FIRST:LAST:COUNT, evenly spread."""

    name = "numbers"
    MOST = 1000

    def __init__(self, low: float, high: float) -> None:
        """Set the bounds of each number."""
        self.range = FiniteRange(low, high)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Convert a flag's value to different numbers within the bounds."""
        parts = str(value).split("," if ":" not in str(value) else ":")
        if ":" in str(value) and len(parts) != 3:
            self.fail(f"{value!r} is not FIRST:LAST:COUNT, such as 0:1:7.", param, ctx)
        if not all(map(str.strip, parts)):
            self.fail(f"{value!r} lacks a number.", param, ctx)
        for part in parts:
            if not is_number(part):
                several = "several are written 0.2,0.4 or FIRST:LAST:COUNT"
                self.fail(f"{part!r} is not a number; {several}.", param, ctx)
        if ":" in str(value):
            first, last = (self.range.convert(part, param, ctx) for part in parts[:2])
            numbers = spread(first, last, self._count(parts[2], param, ctx))
        else:
            try:
                numbers = [self.range.convert(part, param, ctx) for part in parts]
            except click.BadParameter as error:
                comma = " A comma separates numbers; decimals have a point." * (len(parts) > 1)
                self.fail(error.message + comma, param, ctx)
        if twice := [number for n, number in enumerate(numbers) if number in numbers[:n]]:
            self.fail(f"{twice[0]:g} is given twice in {value!r}.", param, ctx)
        return tuple(numbers)

    def _count(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        count = int(text) if text.strip().isdecimal() else 0
        if not 2 <= count <= self.MOST:
            self.fail(f"COUNT {text!r} is no whole number from 2 to {self.MOST}.", param, ctx)
        return count


def is_number(text: Any) -> bool:
    """Whether a flag's value is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def spread(first: float, last: float, count: int) -> list[float]:
    """Spread numbers evenly from the first to the last, with three digits of their distance."""
    step = (last - first) / (count - 1)
    digits = 2 - math.floor(math.log10(abs(step))) if step else 0
    between = [round(first + step * n, max(0, digits)) for n in range(1, count - 1)]
    return [first, *between, last]


def whole(text: str) -> int:
    """Parse a whole number; ``1e4`` is accepted."""
    try:
        if (number := float(text)).is_integer():
            return int(number)
    except ValueError:
        pass
    raise click.BadParameter(f"{text!r} is not a whole number.")


def gpus(text: str) -> str:
    """Parse GPUs as in CUDA_VISIBLE_DEVICES: -1 for none, or numbers or UUIDs with commas."""
    ids = text.replace(" ", "")
    if ids != "-1" and not all(re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", i) for i in ids.split(",")):
        raise click.BadParameter(f"{text!r} is neither -1 nor a list of GPUs such as 0,1.")
    return ids


def smoothing(text: str) -> float:
    """Parse label smoothing: its amount, the label of real images (above 0.5), or a boolean."""
    known = {"true": TrainConfig.model_fields["label_smoothing"].default, "false": 0.0}
    try:
        value = float(known.get(text.lower(), text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor a boolean.") from None
    # Rounded, since 1 - 0.9 is not 0.1, and the value is part of the trial's key.
    return round(1 - value, 9) if 0.5 < value <= 1 else value


def target(text: str) -> dict[str, Any]:
    """Parse a target: a number, ``any``, or LOW:HIGH for any value between the two."""
    low, colon, high = text.partition(":")
    try:
        if colon:
            return {"min": float(low), "max": float(high)}
        return {"target": text if text == "any" else float(text)}
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number, nor any, nor LOW:HIGH.") from None


def held_out(text: str) -> tuple[str, float, float]:
    """Parse a held-out interval of targets: NAME:LOW:HIGH."""
    try:
        name, low, high = text.split(":")
        return name, float(low), float(high)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not NAME:LOW:HIGH.") from None


def listed(text: str) -> Any:
    """Parse a JSON list."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise click.BadParameter(f"{text!r} is no list in JSON.")
    return found
