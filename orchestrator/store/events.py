"""News of a trial, as its training emits it and everything else consumes it."""

from dataclasses import dataclass

from gan.training.progress import Progress
from reports.phase import TrialPhase


@dataclass(frozen=True)
class TrialEvent:
    """How a trial is now."""

    key: str
    phase: TrialPhase
    progress: Progress | None = None
    """None where nothing was trained since the last event."""
    reason: str = ""
    """Why it failed, was pruned, or is restarted."""
