"""Sweep as written in its file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from gan.strict import Frozen
from orchestrator.sweep.mistakes import SweepFile
from orchestrator.sweep.notify import NotifyTarget
from orchestrator.sweep.search_settings import Objective, Scheduler, Search
from orchestrator.sweep.sections import Settings


class Resources(Frozen):
    """Resources of one trial."""

    cpus_per_trial: int = Field(default=1, ge=1)
    gpus_per_trial: float | None = Field(default=None, ge=0)
    """Share of one GPU, or a number of GPUs; default 1 if there is a GPU, else 0."""

    @field_validator("gpus_per_trial")
    @classmethod
    def _share_or_number(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and not gpus.is_integer():
            raise ValueError("above 1 it must be a whole number")
        return gpus


@dataclass(frozen=True)
class SweepSpec:
    """Sweep as written in its file, not yet expanded."""

    file: SweepFile
    settings: Settings
    axes: dict[str, list[Any]]
    points: list[Settings]
    resources: Resources
    objective: Objective | None = None
    """Objective; None without a search or scheduler."""
    search: Search | None = None
    scheduler: Scheduler | None = None
    notify: NotifyTarget | None = None
    """Webhook or command that is told how a launch goes; no part of a trial."""

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.file.path

    @property
    def name(self) -> str:
        """Name of the sweep: the file's, without its suffix."""
        return self.path.stem
