"""Prune marker: a file in a trial's directory by which a scheduler stops the trial.

The process that trains the trial sees the marker, takes a checkpoint and ends. The marker counts as
long as the sweep's ``terms`` stay the same.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gan import checkpoint
from gan.config import TrainConfig
from orchestrator.store.paths import PRUNED
from orchestrator.store.sealed import sealed, unsealed
from orchestrator.sweep.sweep_spec import SweepSpec


@dataclass(frozen=True)
class PruneMarker:
    """Decision of a scheduler to stop a trial."""

    step: int
    """Step of the evaluation that fell behind."""
    metric: str
    value: float
    rank: float
    scheduler: str
    terms: dict[str, Any]

    @property
    def reason(self) -> str:
        """Reason why the trial ended, for people."""
        return f"stopped by the scheduler ({self.scheduler}) at step {self.step}"


_MARKER = TypeAdapter(PruneMarker)


def write_marker(trial: Path, marker: PruneMarker) -> None:
    """Write a marker, which stops the trial.

    Raises:
        OSError: the directory cannot be written to.
    """
    checkpoint.write_file(trial / PRUNED, sealed(_MARKER.dump_python(marker)))


def read_marker(trial: Path) -> PruneMarker | None:
    """Read a trial's marker; return None if it is missing or damaged."""
    try:
        return parse_marker((trial / PRUNED).read_bytes())
    except OSError:
        return None


def parse_marker(content: bytes) -> PruneMarker | None:
    """Parse the content of a marker file; return None if it is damaged."""
    try:
        return _MARKER.validate_python(unsealed(content))
    except ValueError:
        return None


def pruning_terms(spec: SweepSpec, config: TrainConfig) -> dict[str, Any]:
    """Return the settings that a decision on a trial depends on, to be stored in its marker."""
    settings = (spec.scheduler, spec.objective)
    scheduler, objective = (None if s is None else s.model_dump(mode="json") for s in settings)
    length = {"steps": config.steps, "epochs": config.epochs}
    return {"scheduler": scheduler, "objective": objective, **length}
