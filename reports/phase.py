"""Phases of a trial: the one list that every screen, report and run derives its words from."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum


class TrialPhase(StrEnum):
    """How a trial is; the value is its label for people."""

    WAITING = "waiting"
    """Not begun, or asked for more than it has."""
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    """After the death of its process or node."""
    STOPPED = "stopped"
    """On request; launched again, it goes on."""
    DIED = "died"
    """Without a word, and nothing has taken it up; or more often than a launch retries."""
    FAILED = "failed"
    PRUNED = "pruned"
    """Stopped by a scheduler; a launch leaves it alone while it is asked for the same."""
    FINISHED = "finished"

    @property
    def style(self) -> str:
        """Colour of the label in a terminal, as rich names it."""
        return _STYLES[self]

    @property
    def run_status(self) -> str:
        """Status of the trial's run, of MLflow's."""
        named = {"finished": "FINISHED", "failed": "FAILED", "waiting": "SCHEDULED"}
        return named.get(self, "RUNNING" if self.is_active else "KILLED")

    @property
    def is_active(self) -> bool:
        """Whether a process trains it, or is about to."""
        return self in (TrialPhase.STARTING, TrialPhase.RUNNING, TrialPhase.RESTARTING)

    @property
    def is_failure(self) -> bool:
        """Whether it ended by an error or a death."""
        return self in (TrialPhase.FAILED, TrialPhase.DIED)

    @property
    def is_done(self) -> bool:
        """Whether a launch has nothing to do for it."""
        return self in (TrialPhase.FINISHED, TrialPhase.PRUNED)


_STYLES = {
    TrialPhase.WAITING: "dim",
    TrialPhase.STARTING: "cyan",
    TrialPhase.RUNNING: "cyan",
    TrialPhase.RESTARTING: "yellow",
    TrialPhase.STOPPED: "yellow",
    TrialPhase.DIED: "red",
    TrialPhase.FAILED: "red",
    TrialPhase.PRUNED: "magenta",
    TrialPhase.FINISHED: "green",
}


def trials_are(count: int) -> str:
    """Return the beginning of a sentence about some trials: ``1 trial is``, ``2 trials are``."""
    return f"{count} trial{'s are' if count > 1 else ' is'}"


def counted(phases: Iterable[TrialPhase]) -> str:
    """Count trials in words: ``4 of 6 trials finished, 1 waiting, 1 failed``."""
    counts = Counter(phases)
    finished, total = counts.pop(TrialPhase.FINISHED, 0), counts.total()
    others = [f", {counts[phase]} {phase}" for phase in TrialPhase if counts[phase]]
    return f"{finished} of {total + finished} trials finished{''.join(others)}"
