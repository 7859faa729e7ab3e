"""Factories of what tests are about."""

from typing import Any

from gan.config import TrainConfig


def config(**fields: Any) -> TrainConfig:
    """A config of one step, or with other settings."""
    return TrainConfig.model_validate({"steps": 1, **fields})
