"""How far a training is; without torch, so that a driver can read it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a training is."""

    step: int
    total_steps: int
    epoch: float
    images_per_second: float
    """Of the last second or so."""
    metrics: dict[str, float]
    """The newest value of every metric of the history."""
    durable_step: int
    """Step of the newest checkpoint: what a kill now would leave."""
    seconds: float
    """Time spent on the trial's steps and evaluations, by all processes, as far as they counted."""
    checkpoint_seconds: float
    """Time that this process waited for checkpoints, beside it."""
    evaluated_step: int = 0
    """Step of the newest evaluation, 0 before the first."""
    measuring: str = ""
    """Within the evaluation at the end, which of its targets: "3 of 9"."""
