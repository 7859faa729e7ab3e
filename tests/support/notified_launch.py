"""A launch that notifies somebody, without its trainings."""

import io
from pathlib import Path

from rich.console import Console

from gan.config import TrainConfig
from orchestrator.driver.live_view import LiveView
from orchestrator.driver.notifier import Notifier
from orchestrator.store.events import TrialEvent
from orchestrator.store.paths import Locations
from orchestrator.sweep.notify import notify_target
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase


class Launch:
    """A launch of two trials, as far as its notifier sees it."""

    def __init__(self, target: str, runs: Path) -> None:
        self.said: list[str] = []
        self.view = LiveView(Console(file=io.StringIO()))
        for key in ("one", "two"):
            self.view.add(Trial(f"trial {key}", key, TrainConfig(steps=5)))
        locations = Locations(runs, None)
        wanted = notify_target(target, "--notify")
        self.notifier = Notifier(wanted, "hue", locations, "colorsweep again", self.said.append)

    def phases(self, one: TrialPhase, two: TrialPhase) -> None:
        for key, phase in (("one", one), ("two", two)):
            self.view.update(TrialEvent(key, phase))

    def finish(self) -> None:
        with self.notifier as notifier:
            notifier.begin(self.view)
            self.phases(TrialPhase.FINISHED, TrialPhase.FINISHED)
            notifier.ended(done=True)
