"""What tests of the flags of ``colorsweep train`` share."""

import shlex
from typing import Any

import click
from click.testing import CliRunner, Result

from gan.config import TrainConfig
from orchestrator.cli import main
from orchestrator.commands.train import config_of, train


def parse(arguments: str) -> tuple[TrainConfig, list[str]]:
    """The config that a command line means, and what it is told."""
    return config_of({k: v for k, v in values(arguments).items() if v is not None})


def values(arguments: str) -> dict[str, Any]:
    """What click makes of a command line, by parameter."""
    program = click.Context(main, **main.context_settings)
    return train.make_context("train", shlex.split(arguments), parent=program).params


def config(arguments: str) -> TrainConfig:
    found, notes = parse(arguments)
    assert notes == []
    return found


def call(*arguments: str) -> Result:
    """Run the program in this process."""
    return CliRunner().invoke(main, arguments)
