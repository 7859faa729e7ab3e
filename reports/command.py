"""Command line that trains a trial again."""

import json

from gan.config import TrainConfig
from gan.control import Control, ControlName
from gan.plain_text import command_line
from reports.runs import TrialRun


def as_trained(run: TrialRun) -> TrainConfig:
    """Return a trial's config with the length that it was trained for.

    A sweep may ask for fewer steps now; a trial that has more keeps them.
    """
    config = run.config
    asked, taken = (config.steps, run.step) if config.epochs is None else (config.epochs, run.epoch)
    if asked is None or taken <= asked:
        return config
    return config.model_copy(update={"steps": run.step, "epochs": None})


def train_command(config: TrainConfig, sweep: str) -> str:
    """Return the ``colorsweep train`` command that repeats a config, hence its key and weights.

    Args:
        config: config of the trial.
        sweep: name of the sweep to track the new trial under.
    """
    settings = config.model_dump(mode="json", exclude_defaults=True, exclude={"controls"})
    words = ["colorsweep", "train", "--name", sweep]
    for name, value in settings.items():
        words += [f"--{name.replace('_', '-')}", _text(value)]
    for name, control in config.controls.items():
        words += [f"--desired-{name}", _wanted(name, control)]
        if control.weight != config.penalty_weight:
            words += [f"--{name}-weight", _text(control.weight)]
        for low, high in control.hold_out:
            words += ["--hold-out", f"{name}:{_text(low)}:{_text(high)}"]
    return command_line(words)


def _wanted(name: ControlName, control: Control) -> str:
    if not control.is_any:
        return _text(control.wanted)
    if control.min is None and control.max is None:
        return "any"
    return ":".join(_text(end) for end in control.bounds(name))


def _text(value: object) -> str:
    """Format a value briefly, so that it reads back as the same value."""
    if isinstance(value, list):
        return json.dumps(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
