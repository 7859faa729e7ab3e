"""The command that trains a trial again."""

import shlex

from gan.config import TrainConfig


def train_command(config: TrainConfig, sweep: str) -> str:
    """Return the ``colorsweep train`` whose trial has a config, and so the same key and weights.

    Args:
        config: the trial's.
        sweep: name to track it under.
    """
    settings = config.model_dump(mode="json", exclude_defaults=True, exclude={"controls"})
    words = ["colorsweep", "train", "--name", sweep]
    for name, value in settings.items():
        words += [f"--{name.replace('_', '-')}", _text(value)]
    for name, control in config.controls.items():
        words += [f"--desired-{name}", _text(control.target)]
        if "weight" in control.model_dump(exclude_defaults=True):
            words += [f"--{name}-weight", _text(control.weight)]
    return shlex.join(words)


def _text(value: object) -> str:
    """Write a value in as few characters as read back to it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
