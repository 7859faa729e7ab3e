"""Request that a training stop, with its reason."""

import threading
from enum import Enum, auto


class StopReason(Enum):
    """Why a training is to stop."""

    USER = auto()
    """A stop request of the trial or its sweep."""
    PRUNED = auto()
    """A scheduler's prune marker."""
    NODE = auto()
    """Its node will be taken away."""
    STORAGE = auto()
    """The object store does not get its checkpoints."""


class StopSignal:
    """Set by whoever knows a reason, read by the training loop; the first reason counts."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self.detail = ""
        self._lock = threading.Lock()

    def set(self, reason: StopReason, detail: str = "") -> None:
        """Ask for a checkpoint and an end."""
        with self._lock:
            if self.reason is None:
                self.detail, self.reason = detail, reason

    def is_set(self) -> bool:
        """Whether the training is to stop."""
        return self.reason is not None
