"""Trackers of sweeps whose trials are below a directory."""

from pathlib import Path

from reports.experiments import Claim
from reports.owner import owner_in
from reports.tracking import SweepTracker


def tracker_of(uri: str, sweep: str, runs: Path) -> SweepTracker:
    claim = Claim(owner_in(runs), runs / "sweeps" / sweep, "launch yours under another name")
    return SweepTracker(uri, sweep, claim)
