"""Event of a trial, emitted by its training and received by every other part."""

from dataclasses import dataclass

from gan.plain_text import plain
from gan.training.progress import Progress
from reports.phase import TrialPhase


@dataclass(frozen=True)
class NodeSample:
    """Use of a trial's node at one moment, with the names of MLflow's system metrics."""

    time: int
    """Milliseconds since the epoch."""
    step: int
    """Step of the training."""
    metrics: dict[str, float]


@dataclass(frozen=True)
class TrialEvent:
    """State of a trial at one moment."""

    key: str
    phase: TrialPhase
    progress: Progress | None = None
    """Progress of the training; None if nothing was trained since the last event."""
    reason: str = ""
    """Reason of a failure, prune or restart; without credentials, since it is kept and shown."""
    node: NodeSample | None = None
    """Use of the node since the last sample; None if it is too recent, or not wanted."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", plain(self.reason))
