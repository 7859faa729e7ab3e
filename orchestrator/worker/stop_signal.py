"""Stop signal of a training, with its reason."""

import threading
from enum import Enum, auto


class StopReason(Enum):
    """Reason why a training has to stop."""

    USER = auto()
    """Stop request for the trial or its sweep."""
    PRUNED = auto()
    """Prune marker of a scheduler."""
    NODE = auto()
    """Notice that the node will be taken away."""
    STORAGE = auto()
    """Failure to upload checkpoints to the object store."""


class StopSignal:
    """Signal that the training loop reads; the first reason counts."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self.detail = ""
        self._lock = threading.Lock()

    def set(self, reason: StopReason, detail: str = "") -> None:
        """Ask the training to stop after a checkpoint."""
        with self._lock:
            if self.reason is None:
                self.detail, self.reason = detail, reason

    def is_set(self) -> bool:
        """Whether the training has to stop."""
        return self.reason is not None
