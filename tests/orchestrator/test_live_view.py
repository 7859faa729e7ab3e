"""The live view's rows."""

import io

from rich.console import Console

from gan.config import TrainConfig
from orchestrator.driver.live_view import Progress
from orchestrator.sweep.trials import Trial


def shown(width: int, **changes: object) -> str:
    config = TrainConfig.model_validate({"steps": 40, "controls": {"saturation": {"min": 0.1}}})
    console = Console(file=io.StringIO(), width=width)
    progress = Progress(console, [Trial("saturation=0.1..", "key", config)])
    progress.update("key", "running", step=40, total_steps=40, epoch=1.0, **changes)
    with console.capture() as captured:
        console.print(progress.table())
    return captured.get()


def test_a_trial_past_its_last_step_says_what_it_measures() -> None:
    for width in (80, 120):
        assert "measures 3 of 9" in shown(width, measuring="3 of 9")
    assert "measures" not in shown(80, images_per_second=20.0)
