"""Attempt log of a trial: one small file for each process that trained it.

Only that process writes the file, about once a second, so the file shows when the process was last
alive, however it ended.
"""

import logging
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

from gan import checkpoint
from gan.plain_text import plain
from orchestrator.store.events import TrialEvent
from orchestrator.store.paths import ATTEMPTS
from orchestrator.store.sealed import sealed, unsealed
from reports.phase import TrialPhase

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """Time that one process spent on a trial."""

    host: str
    process: int
    started: float
    """Seconds since the epoch, like ``seen``; taken before any heavy import."""
    seen: float
    from_step: int = 0
    step: int = 0
    total_steps: int | None = None
    epoch: float = 0.0
    images_per_second: float = 0.0
    """Rate of the steps of about the last second before ``seen``, without evaluations."""
    measuring: str = ""
    """Target being measured in the final evaluation, as in "3 of 9"; empty otherwise."""
    counted: float = 0.0
    """Seconds on steps and evaluations, including lost ones."""
    evaluating: float = 0.0
    """Seconds of an evaluation under way, not part of ``counted``; lost if the process ends."""
    checkpoints: float = 0.0
    """Seconds that training waited for checkpoints."""
    ended: TrialPhase | None = None
    """Phase at the end; None while the process runs, and for ever if it was killed."""
    reason: str = ""
    """Reason of a failure or prune."""

    @property
    def seconds(self) -> float:
        """Time on the worker."""
        return self.seen - self.started


class AttemptLog:
    """Writer of this process's attempt."""

    def __init__(self, trial: Path, started: float) -> None:
        """Begin the log of an attempt that began at ``started``, in seconds since the epoch."""
        self._attempt = Attempt(socket.gethostname(), os.getpid(), started, time.time())
        name = f"{int(self._attempt.seen * 1000)}-{self._attempt.host}-{self._attempt.process}.json"
        self._file = trial / ATTEMPTS / name
        self._before: float | None = None
        self._write()

    def write(self, event: TrialEvent) -> None:
        """Record an event; the first one with progress precedes the first step."""
        changes: dict[str, Any] = {}
        if (progress := event.progress) is not None:
            if self._before is None:
                self._before = progress.seconds
                changes["from_step"] = progress.step
            changes |= {
                "step": progress.step,
                "total_steps": progress.total_steps,
                "epoch": progress.epoch,
                "images_per_second": progress.images_per_second,
                "measuring": progress.measuring,
                "counted": progress.seconds - self._before,
                "evaluating": progress.evaluation_seconds,
                "checkpoints": progress.checkpoint_seconds,
            }
        if not event.phase.is_active:
            changes |= {"ended": event.phase, "reason": event.reason}
        self._write(**changes)

    def _write(self, **changes: Any) -> None:
        self._attempt = replace(self._attempt, seen=time.time(), **changes)
        with suppress(OSError):  # on a full disk the next checkpoint fails and ends the training
            checkpoint.write_file(self._file, sealed(asdict(self._attempt)))


def attempts(trial: Path) -> list[Attempt]:
    """Read a trial's attempts, oldest first; a warning tells of damaged ones, which are skipped."""
    found = []
    for file in sorted((trial / ATTEMPTS).glob("[0-9]*.json")):
        try:
            attempt = Attempt(**unsealed(file.read_bytes()))
            ended = None if attempt.ended is None else TrialPhase(attempt.ended)
            reason = plain(attempt.reason)
        except FileNotFoundError:  # removed meanwhile
            continue
        except (OSError, ValueError, TypeError):
            _tell_damaged(file)
            continue
        found.append(replace(attempt, ended=ended, reason=reason))
    return found


@cache
def _tell_damaged(file: Path) -> None:
    """Warn about a damaged attempt log, once per process."""
    log.warning("skipped a damaged attempt log: %s", file)


def wasted_steps(of: list[Attempt]) -> list[int]:
    """Count for each attempt the steps that the next one had to repeat."""
    # An attempt that died before loading anything has no first step.
    begun = [attempt for attempt in of if attempt.total_steps is not None]
    wasted = {a: max(0, a.step - b.from_step) for a, b in pairwise(begun)}
    return [wasted.get(attempt, 0) for attempt in of]


def goodput(trials: list[list[Attempt]]) -> float | None:
    """Return the share of all attempts' worker time that went into steps that counted.

    Repeated steps of killed attempts, checkpoints, starts and data loading do not count. The
    evaluation under way of a last attempt does, until that ends.
    """
    whole = sum(attempt.seconds for of in trials for attempt in of)
    good = 0.0
    for of in trials:
        for attempt, wasted in zip(of, wasted_steps(of), strict=True):
            taken = attempt.step - attempt.from_step
            good += attempt.counted * (1 - wasted / taken if taken else 1)
        if of and not of[-1].ended:
            good += of[-1].evaluating
    return good / whole if whole else None


def deaths_in_a_row(of: Sequence[Attempt]) -> int:
    """Count the deaths at the end of a log between which no newer checkpoint was taken."""
    newest = max((attempt.from_step for attempt in of), default=0)
    row = takewhile(
        # One that died before loading anything has no first step.
        lambda a: a.ended is None and (a.total_steps is None or a.from_step == newest),
        reversed(of),
    )
    return sum(1 for _ in row)


def restarts(of: list[Attempt]) -> int:
    """Count the attempts that died and were followed by another."""
    return sum(not attempt.ended for attempt in of[:-1])
