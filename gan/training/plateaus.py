"""Plateaus of a loss: PyTorch's ReduceLROnPlateau with an immutable state."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plateaus:
    """Count of the plateaus of a loss so far, as in PyTorch's ReduceLROnPlateau."""

    count: int = 0
    best: float | None = None
    since: int = 0
    """Step of the best loss or of the last plateau, whichever is later."""

    def after(self, loss: float, step: int, patience: int) -> "Plateaus":
        """Return the next state; a loss falls if it beats the best by over 1e-4 of its own size."""
        if self.best is None or loss < self.best - 1e-4 * abs(loss):
            return Plateaus(self.count, loss, step)
        if step - self.since >= patience:
            return Plateaus(self.count + 1, self.best, step)
        return self
