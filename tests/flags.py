"""What tests of the flags of ``colorsweep train`` share."""

import shlex

from click.testing import CliRunner, Result

from gan.config import TrainConfig
from orchestrator.cli import main
from orchestrator.train_command import config_of, train


def parse(arguments: str) -> tuple[TrainConfig, list[str]]:
    """The config that a command line means, and what it is told."""
    context = train.make_context("train", shlex.split(arguments))
    return config_of({k: v for k, v in context.params.items() if v is not None})


def config(arguments: str) -> TrainConfig:
    found, notes = parse(arguments)
    assert notes == []
    return found


def call(*arguments: str) -> Result:
    """Run the program in this process."""
    return CliRunner().invoke(main, arguments)
