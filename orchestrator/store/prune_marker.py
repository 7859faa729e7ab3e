"""Prune marker: a file in a trial's directory by which a scheduler stops it for good.

Whoever trains the trial sees it, takes a checkpoint and ends. It counts for as long as the sweep
asks for the same, see ``terms``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gan import checkpoint
from gan.config import TrainConfig
from orchestrator.store.paths import PRUNED
from orchestrator.sweep.spec import SweepSpec


@dataclass(frozen=True)
class PruneMarker:
    """Decision of a scheduler on a trial."""

    step: int
    """Of the evaluation that was behind."""
    metric: str
    value: float
    rank: float
    scheduler: str
    terms: dict[str, Any]

    @property
    def reason(self) -> str:
        """Why the trial ended, for people."""
        return f"stopped by the scheduler ({self.scheduler}) at step {self.step}"


_MARKER = TypeAdapter(PruneMarker)


def write_marker(trial: Path, marker: PruneMarker) -> None:
    """Stop a trial for good.

    Raises:
        OSError: the directory cannot be written to.
    """
    checkpoint.write_file(trial / PRUNED, _MARKER.dump_json(marker, indent=1))


def read_marker(trial: Path) -> PruneMarker | None:
    """Return a trial's marker, if it has a sound one."""
    try:
        return parse_marker((trial / PRUNED).read_bytes())
    except OSError:
        return None


def parse_marker(content: bytes) -> PruneMarker | None:
    """Return the marker of a file's content; None if it is damaged."""
    try:
        return _MARKER.validate_json(content)
    except ValidationError:
        return None


def terms(spec: SweepSpec, config: TrainConfig) -> dict[str, Any]:
    """Return what a decision on a trial depends on, as it is kept with its marker."""
    settings = (spec.scheduler, spec.objective)
    scheduler, objective = (None if s is None else s.model_dump(mode="json") for s in settings)
    length = {"steps": config.steps, "epochs": config.epochs}
    return {"scheduler": scheduler, "objective": objective, **length}
