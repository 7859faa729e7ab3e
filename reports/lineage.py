"""Lineage of a trial that was taken over from another sweep."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lineage:
    """Origin of a trial that was taken over."""

    sweep: str
    """Name of the sweep that had finished it."""
    step: int
    """Step up to which that sweep had trained it."""

    def at(self, step: int) -> str:
        """Name the sweep, and where its training ended if the trial has been trained on since."""
        return self.sweep if step <= self.step else f"{self.sweep}, to step {self.step}"
