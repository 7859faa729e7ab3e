"""The live view's rows."""

import io

from rich.console import Console

from gan.config import TrainConfig
from gan.training.progress import Progress
from orchestrator.driver.live_view import LiveView
from orchestrator.store.events import TrialEvent
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase


def shown(width: int, speed: float = 0.0, measuring: str = "") -> str:
    config = TrainConfig.model_validate({"steps": 40, "controls": {"saturation": {"min": 0.1}}})
    console = Console(file=io.StringIO(), width=width)
    view = LiveView(console)
    view.add(Trial("saturation=0.1..", "key", config))
    progress = Progress(40, 40, 1.0, speed, {}, 0, 1.0, 0.0, measuring=measuring)
    view.update(TrialEvent("key", TrialPhase.RUNNING, progress))
    with console.capture() as captured:
        console.print(view.table())
    return captured.get()


def test_a_trial_past_its_last_step_says_what_it_measures() -> None:
    for width in (80, 120):
        assert "eval 3/9" in shown(width, measuring="3 of 9")
    assert "eval" not in shown(80, speed=20.0)
