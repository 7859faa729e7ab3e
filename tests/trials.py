"""Trials as the tracking store would give them, made up for tests of what is done with them."""

from typing import Any

from gan.config import TrainConfig
from gan.control import Control, ControlName
from reports.runs import TrialRun


def run(
    name: str = "baseline",
    controls: dict[ControlName, Control] | None = None,
    metrics: dict[str, float] | None = None,
    seconds: float = 8.0,
    status: str = "FINISHED",
    recolour: bool = False,
    sweep: str = "a sweep",
    **settings: Any,
) -> TrialRun:
    fields = {"steps": 100, "batch_size": 16, "controls": controls or {}, "recolour": recolour}
    config = TrainConfig.model_validate(fields | settings)
    return TrialRun(
        run_id="an id",
        key=config.key(),
        name=name,
        index=0,
        status=status,
        reason="",
        config=config,
        step=50,
        total_steps=100,
        epoch=3.96,
        seconds=seconds,
        device="CPU, 1 thread(s)",
        metrics={"eval/mae": 0.125, "loss/l1": 9.0, **(metrics or {})},
        restarts=2,
        goodput=0.875,
        sweep=sweep,
    )


def steered(target: float, error: float, mae: float = 0.1, **settings: Any) -> TrialRun:
    """A trial with a saturation that was met with an error of an image."""
    weight = settings.pop("weight", 200.0)
    name = settings.pop("name", f"saturation={target:g}")
    return run(
        name,
        {"saturation": Control(target=target, weight=weight)},
        {"eval/saturation": target, "eval/saturation_error": error, "eval/mae": mae},
        **settings,
    )
