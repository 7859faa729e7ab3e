"""When a loss has stopped falling: PyTorch's ReduceLROnPlateau, whose state is a value."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plateaus:
    """How often a loss had not fallen for some steps: PyTorch's ReduceLROnPlateau, step by step."""

    count: int = 0
    best: float | None = None
    since: int = 0
    """Step of the best loss, or of the last plateau."""

    def after(self, loss: float, step: int, patience: int) -> "Plateaus":
        """Count on: a loss has fallen if it is below the best by a ten-thousandth of its size."""
        if self.best is None or loss < self.best - 1e-4 * abs(loss):
            return Plateaus(self.count, loss, step)
        if step - self.since >= patience:
            return Plateaus(self.count + 1, self.best, step)
        return self
