"""A sweep of two tiny trials on record, trained in this process."""

from pathlib import Path

from orchestrator.store.manifest import read_manifest, write_manifest
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.support.cli import TINY
from tests.support.tasks import run_here, task_of


def record(workplace: Path, steps: int, npz: Path) -> Path:
    """Write the sweep, and the manifest of its launch; returns its directory."""
    Path("tiny.yaml").write_text(
        f"settings: {{steps: {steps}, {TINY}, dataset: npz, dataset_path: {npz}}}\n"
        "points: [{seed: 1}, {seed: 2}]\n"
    )
    directory = workplace / "runs" / "sweeps" / "tiny"
    directory.mkdir(parents=True)
    write_manifest(directory, expand(read_sweep(Path("tiny.yaml"))))
    return directory


def train(directory: Path, index: int, **fields: int) -> None:
    config = read_manifest(directory)[index].config.model_copy(update=fields)
    assert run_here(task_of(config, directory / config.key())) == ("finished", "")
