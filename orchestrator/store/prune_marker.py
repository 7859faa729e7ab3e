"""A trial that a scheduler stopped, by a mark in its directory.

The mark is the decision, and lasts: whoever trains the trial sees it, takes a checkpoint and
ends. It counts for as long as the sweep asks for the same, see ``terms``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from gan import checkpoint
from gan.config import TrainConfig
from orchestrator.sweep.spec import SweepSpec


@dataclass(frozen=True)
class Mark:
    """Why a trial was stopped."""

    step: int
    """Of the evaluation that was behind."""
    metric: str
    value: float
    rank: float
    scheduler: str
    terms: dict[str, Any]

    @property
    def reason(self) -> str:
        """For people."""
        return f"stopped by the scheduler ({self.scheduler}) at step {self.step}"


Request = tuple[Literal["stopped", "pruned"], str]
"""How a trial is to end, and why."""
_MARK = TypeAdapter(Mark)


def mark_file(directory: Path) -> Path:
    """Return what says by existing in a trial's directory that a scheduler stopped it."""
    return directory / "pruned.json"


def write_mark(directory: Path, mark: Mark) -> None:
    """Stop a trial for good.

    Raises:
        OSError: the directory cannot be written to.
    """
    checkpoint.write_file(mark_file(directory), _MARK.dump_json(mark, indent=1))


def read_mark(directory: Path) -> Mark | None:
    """Return a trial's mark, if it has one."""
    try:
        return parse_mark(mark_file(directory).read_bytes())
    except OSError:
        return None


def parse_mark(content: bytes) -> Mark | None:
    """Return what a mark says; None if it is damaged."""
    try:
        return _MARK.validate_json(content)
    except ValidationError:
        return None


def terms(spec: SweepSpec, config: TrainConfig) -> dict[str, Any]:
    """Return what a decision on a trial depends on, as it is kept with its mark."""
    settings = (spec.scheduler, spec.objective)
    scheduler, objective = (None if s is None else s.model_dump(mode="json") for s in settings)
    length = {"steps": config.steps, "epochs": config.epochs}
    return {"scheduler": scheduler, "objective": objective, **length}
