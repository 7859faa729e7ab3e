"""Trials as the tracking store would give them, made up for tests of what is done with them."""

from typing import Any

from gan.config import TrainConfig
from gan.control import Control, ControlName
from reports.phase import TrialPhase
from reports.runs import TrialRun


def run(
    name: str = "baseline",
    controls: dict[ControlName, Control] | None = None,
    metrics: dict[str, float] | None = None,
    seconds: float = 8.0,
    phase: TrialPhase = TrialPhase.FINISHED,
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
        status=phase.run_status,
        phase=phase,
        reason="",
        config=config,
        step=50,
        total_steps=100,
        epoch=3.96,
        seconds=seconds,
        step_seconds=seconds / 2,
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


def any_target(errors: dict[float, float], exact: float | None = None, **settings: Any) -> TrialRun:
    """A trial of any saturation that was met with errors, by target."""
    metrics: dict[str, float] = {}
    for target, error in errors.items():
        start = f"eval/saturation {target:g}/"
        metrics |= {f"{start}saturation_error": error, f"{start}mae": 0.1 + target}
        metrics |= {f"{start}saturation": target + error}
        if exact is not None:
            metrics |= {f"{start}exact/saturation_error": exact, f"{start}exact/mae": 0.2}
    weight = settings.pop("weight", 200.0)
    return run(
        settings.pop("name", "saturation=any"),
        {"saturation": Control(target="any", weight=weight)},
        metrics,
        eval_targets=[{"saturation": target} for target in errors],
        **settings,
    )
