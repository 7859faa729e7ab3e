"""A sweep file that is a copy of another, whose trials were trained in this process."""

import shutil
from multiprocessing.connection import Connection
from pathlib import Path

from gan.data import datasets
from orchestrator.driver.take_over import TakeOver, take_over
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.store.paths import Locations
from orchestrator.store.sweep_store import store_of
from orchestrator.store.trial_state import state_of
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand


def copied(steps: int = 3, name: str = "copy") -> list[Trial]:
    """Write a copy of tiny.yaml that asks for so many steps; returns its trials."""
    file = Path(f"{name}.yaml")
    file.write_text(Path("tiny.yaml").read_text().replace("{steps: 3,", f"{{steps: {steps},"))
    return expand(read_sweep(file))


def taken_by(
    trials: list[Trial], name: str = "copy", *, storage: str | None = None, dry_run: bool = False
) -> TakeOver:
    """Take over what other sweeps have of the trials, as a launch of the copy does."""
    store = store_of(Locations(Path("runs"), storage), name)
    store.open()
    store.directory.mkdir(parents=True, exist_ok=True)
    states = {trial.key: state_of(trial, store.directory / trial.key) for trial in trials}
    return take_over(trials, states, store, dry_run=dry_run)


def take_copy(ready: Connection) -> None:
    """Take over what copy.yaml asks for, after a word that it begins now."""
    trials = expand(read_sweep(Path("copy.yaml")))
    assert datasets.load(trials[0].config).digest
    ready.send("ready")
    taken_by(trials)


def directory_of(name: str = "copy") -> Path:
    return LocalSweep(Path("runs"), name).directory


def copy_of_pictures(npz: Path) -> Path:
    """Pictures of the test's own, in the current directory."""
    datasets._load.cache_clear()  # the name is the same in each test
    shutil.copy(npz, "mine.npz")
    return Path("mine.npz")
