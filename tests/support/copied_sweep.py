"""A sweep file that is a copy of another, whose trials were trained in this process."""

import os
import shutil
import signal
import threading
import time
from pathlib import Path

from gan.data import datasets
from orchestrator.driver.take_over import TakeOver, take_over
from orchestrator.store.local_sweep import LocalSweep
from orchestrator.store.paths import TAKEN_OVER, Locations
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


def taken_over() -> int:
    """How many trials of copy.yaml were taken over."""
    return len([*directory_of().glob(f"*/{TAKEN_OVER}")])


def take_copy(more: int | None, seconds: float) -> None:
    """Take over what copy.yaml asks for; die ``seconds`` after ``more`` trials, if a number.

    It kills itself: whoever waits for it from without may be asleep until it is done.
    """
    trials = expand(read_sweep(Path("copy.yaml")))
    assert datasets.load(trials[0].config).digest
    if more is not None:
        threading.Thread(target=_die, args=(taken_over() + more, seconds), daemon=True).start()
    taken_by(trials)


def _die(taken: int, seconds: float) -> None:
    while taken_over() < taken:
        pass
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def directory_of(name: str = "copy") -> Path:
    return LocalSweep(Path("runs"), name).directory


def copy_of_pictures(npz: Path) -> Path:
    """Pictures of the test's own, in the current directory."""
    datasets._load.cache_clear()  # the name is the same in each test
    shutil.copy(npz, "mine.npz")
    return Path("mine.npz")
