"""Sweep files that tests write, and their trials."""

from pathlib import Path

from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand


def written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def trials(file: Path, text: str) -> list[Trial]:
    """The trials that a sweep file writes; not those that are added to compare them with."""
    return [t for t in expand(read_sweep(written(file, text))) if not t.config.recolour]
