"""Attempt log of a trial: one small file for each process that trained it.

Only that process writes it, about once a second, so that it tells when the process was last seen,
whatever ended it.
"""

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from gan import checkpoint
from orchestrator.store.events import TrialEvent
from orchestrator.store.paths import ATTEMPTS
from reports.phase import TrialPhase


@dataclass(frozen=True)
class Attempt:
    """One process's time with a trial."""

    host: str
    process: int
    started: float
    """Seconds since the epoch, like ``seen``; before anything heavy is imported."""
    seen: float
    from_step: int = 0
    step: int = 0
    total_steps: int | None = None
    counted: float = 0.0
    """Seconds on steps and evaluations; those that were lost, too."""
    checkpoints: float = 0.0
    """Seconds that training waited for checkpoints."""
    ended: TrialPhase | None = None
    """None while it runs, and for ever if it was killed."""
    reason: str = ""
    """Why it failed."""

    @property
    def seconds(self) -> float:
        """Time on the worker."""
        return self.seen - self.started


class AttemptLog:
    """Log of this process's attempt."""

    def __init__(self, trial: Path, started: float) -> None:
        """Begin now with what ``started`` a while ago."""
        self._attempt = Attempt(socket.gethostname(), os.getpid(), started, time.time())
        name = f"{int(self._attempt.seen * 1000)}-{self._attempt.host}-{self._attempt.process}.json"
        self._file = trial / ATTEMPTS / name
        self._before: float | None = None
        self._write()

    def write(self, event: TrialEvent) -> None:
        """Note an event; the first with progress is before the first step."""
        changes: dict[str, Any] = {}
        if (progress := event.progress) is not None:
            if self._before is None:
                self._before = progress.seconds
                changes["from_step"] = progress.step
            changes |= {
                "step": progress.step,
                "total_steps": progress.total_steps,
                "counted": progress.seconds - self._before,
                "checkpoints": progress.checkpoint_seconds,
            }
        if not event.phase.is_active:
            changes |= {"ended": event.phase, "reason": event.reason}
        self._write(**changes)

    def _write(self, **changes: Any) -> None:
        self._attempt = replace(self._attempt, seen=time.time(), **changes)
        with suppress(OSError):  # a full disk ends a training by its checkpoint, not by this
            checkpoint.write_file(self._file, json.dumps(asdict(self._attempt)).encode())


def attempts(trial: Path) -> list[Attempt]:
    """Read a trial's attempts, the first first; unreadable ones are left out."""
    found = []
    for file in sorted((trial / ATTEMPTS).glob("[0-9]*.json")):
        try:
            attempt = Attempt(**json.loads(file.read_bytes()))
            ended = None if attempt.ended is None else TrialPhase(attempt.ended)
        except (OSError, ValueError, TypeError):
            continue
        found.append(replace(attempt, ended=ended))
    return found


def wasted_steps(of: list[Attempt]) -> list[int]:
    """Count, for each attempt, the steps that it took and the next had to take again."""
    # One that died before it had loaded anything does not say where it would have begun.
    begun = [attempt for attempt in of if attempt.total_steps is not None]
    wasted = {a: max(0, a.step - b.from_step) for a, b in pairwise(begun)}
    return [wasted.get(attempt, 0) for attempt in of]


def goodput(trials: list[list[Attempt]]) -> float | None:
    """Return the share of the time on workers that went into steps that counted.

    Steps of a killed attempt that were taken again do not count, nor do checkpoints, starts and
    the loading of data.

    Args:
        trials: the attempts of each trial.
    """
    whole = sum(attempt.seconds for of in trials for attempt in of)
    good = 0.0
    for of in trials:
        for attempt, wasted in zip(of, wasted_steps(of), strict=True):
            taken = attempt.step - attempt.from_step
            good += attempt.counted * (1 - wasted / taken if taken else 1)
    return good / whole if whole else None


def restarts(of: list[Attempt]) -> int:
    """Count the attempts that a death ended, of those that another followed."""
    return sum(not attempt.ended for attempt in of[:-1])
