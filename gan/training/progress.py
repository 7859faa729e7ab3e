"""Progress of a training; imports no torch, so that a driver can read it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Progress of a training."""

    step: int
    total_steps: int
    epoch: float
    images_per_second: float
    """Rate of the steps of about the last second, without evaluations."""
    metrics: dict[str, float]
    """Newest value of every metric in the history."""
    durable_step: int
    """Step of the newest checkpoint, from which the trial resumes if killed now."""
    seconds: float
    """Time that all processes spent on the trial's steps and evaluations, excluding lost work."""
    checkpoint_seconds: float
    """Time that this process waited for checkpoints, not part of ``seconds``."""
    evaluated_step: int = 0
    """Step of the newest evaluation, 0 before the first."""
    measuring: str = ""
    """Target being measured in the final evaluation, as in "3 of 9"; empty otherwise."""
    evaluation_seconds: float = 0.0
    """Time that the final evaluation has taken so far, not yet part of ``seconds``."""
