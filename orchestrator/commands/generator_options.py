"""Options that choose a generator and its targets."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import click

from gan.control import CONTROLS, TARGET_RANGES, ControlName
from gan.errors import UserError
from orchestrator.commands.completion import sweep_names
from orchestrator.commands.flag_values import FiniteRange, Numbers

MOST_SETTINGS = 1000
"""Largest number of combinations of targets."""


def generator_options(*, several: bool) -> list[click.Option]:
    """Return the options of a command that takes one target for each statistic, or ``several``."""
    return [
        click.Option(
            ["--sweep"],
            metavar="NAME",
            shell_complete=sweep_names,
            help="Sweep whose finished trial nearest to the targets below is taken; without"
            " targets, its baseline.  [default: the generator that comes along]",
        ),
        click.Option(
            ["--run"],
            metavar="TRIAL",
            help="Trial: its MLflow run id, or with --sweep its name or key.",
        ),
        click.Option(
            ["--generator"],
            type=click.Path(path_type=Path),
            metavar="PATH",
            help="Checkpoint, trial directory, export, or .safetensors file next to its"
            " config.json.",
        ),
        *(_target(name, several=several) for name in CONTROLS),
    ]


def _target(name: ControlName, *, several: bool) -> click.Option:
    low, high = TARGET_RANGES[name]
    told = f"Target in [{low:g}, {high:g}] ({CONTROLS[name].meaning})."
    if not several:
        return click.Option(
            [f"--{name}"],
            type=FiniteRange(low, high),
            multiple=True,
            callback=_only,
            help=told,
        )
    return click.Option(
        [f"--{name}"],
        type=Numbers(low, high),
        metavar="NUMBERS",
        multiple=True,
        callback=partial(_only, hint="; several numbers are written 0.2,0.4"),
        help=told,
    )


def _only(ctx: click.Context, param: click.Parameter, values: Sequence[Any], hint: str = "") -> Any:
    """Return the only value of an option, if it is given; all but the last would be lost."""
    if len(values) > 1:
        raise click.BadParameter(f"is given more than once{hint}")
    return values[0] if values else None


def given_target(values: Mapping[str, float | None]) -> dict[ControlName, float]:
    """Return the given targets, from the values of all options by name."""
    return {name: value for name in TARGET_RANGES if (value := values[name]) is not None}


def given_targets(
    values: Mapping[str, Sequence[float] | None],
) -> list[dict[ControlName, float]]:
    """Return every combination of the given targets, from the values of all options by name.

    The last statistic varies fastest. Without targets there is one combination, of none.

    Raises:
        UserError: there are too many.
    """
    given = {name: several for name in TARGET_RANGES if (several := values[name])}
    if (count := math.prod(map(len, given.values()))) > MOST_SETTINGS:
        raise UserError(f"{count:,} combinations of targets; valid: up to {MOST_SETTINGS:,}")
    return [dict(zip(given, chosen, strict=True)) for chosen in product(*given.values())]
