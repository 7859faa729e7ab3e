"""Estimates of time: the settings that decide the speed, and the trials that run in parallel."""

import heapq
import os
from collections.abc import Iterable

import torch

from gan.config import TrainConfig
from orchestrator.sweep.sweep_spec import Resources


def kind_of(config: TrainConfig) -> tuple[object, ...]:
    """Return the settings that decide the speed; controls are left out, as each costs little."""
    return (
        config.image_size,
        config.base_channels,
        config.batch_size,
        config.precision,
        config.batch_norm,
        config.downsampling,
        config.discriminator_every,
        config.eval_images,
        config.distribution_weight > 0,
        config.conditions,
        config.upsampling,
    )


def slots_here(resources: Resources, device: torch.device) -> int:
    """Count the trials that run here in parallel at full speed; a shared GPU runs one at a time."""
    slots = (os.cpu_count() or 1) // resources.cpus_per_trial
    if device.type == "cuda":
        share = 1.0 if resources.gpus_per_trial is None else resources.gpus_per_trial
        slots = min(slots, torch.cuda.device_count() // max(1, int(share)))
    return max(1, slots)


def at_once(seconds: Iterable[float], slots: int) -> float:
    """Return the seconds until the last trial ends, if each starts in the first free slot."""
    free = [0.0] * slots
    for each in seconds:
        heapq.heappush(free, heapq.heappop(free) + each)
    return max(free)
