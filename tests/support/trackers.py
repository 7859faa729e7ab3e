"""Trackers of sweeps whose trials are below a directory."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from reports.experiments import Claim
from reports.new_store import file_of, make_store
from reports.owner import owner_in
from reports.tracking import SweepTracker


def tracker_of(uri: str, sweep: str, runs: Path) -> SweepTracker:
    """Track a sweep, in a SQLite store that is a copy of an empty one unless there is one."""
    file = file_of(uri)
    if file is not None and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_empty_store())
    claim = Claim(owner_in(runs), runs / "sweeps" / sweep, "launch yours under another name")
    return SweepTracker(uri, sweep, claim)


@cache
def _empty_store() -> bytes:
    """The content of a new store, which takes MLflow a second of a core to make."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / "mlflow.db"
        make_store(file)
        return file.read_bytes()
