"""Trials with measured errors and KIDs, to be judged."""

from typing import Any, Literal

from gan.control import Control, ControlName
from reports.runs import TrialRun
from tests.support.trial_runs import run


def steered(
    error: float,
    kid: float | None = None,
    exact: tuple[float, float | None] | None = None,
    target: float | Literal["any"] = 0.5,
    control: ControlName = "saturation",
    **settings: Any,
) -> TrialRun:
    """A trial that was steered to a target; ``exact``: error and KID after exact control.

    Its intervals of KID are 5 wide to each side.
    """
    metrics = _metrics("", control, error, kid)
    if exact is not None:
        metrics |= _metrics("exact/", control, *exact)
    weight = settings.pop("weight", 200.0)
    name = settings.pop("name", f"{control}={target}")
    of_metrics = settings.pop("metrics", {})
    controls = {control: Control(target=target, weight=weight)}
    return run(name, controls, metrics | of_metrics, **settings)


def _metrics(way: str, control: str, error: float, kid: float | None) -> dict[str, float]:
    of_kid = {} if kid is None else {"kid": kid, "kid_low": kid - 5, "kid_high": kid + 5}
    of_error = {f"{control}_error": error, "js_divergence": 0.1, "mae": 0.1}
    return {f"eval/{way}{name}": value for name, value in (of_kid | of_error).items()}


def rival(error: float, kid: float | None = None, **settings: Any) -> TrialRun:
    name = f"recoloured, saturation={settings.get('target', 0.5)}"
    return steered(error, kid, **{"name": name, "weight": 0, "recolour": True, **settings})


def of_any(
    errors: dict[float, tuple[float, float]],
    exact: dict[float, tuple[float, float]],
    **settings: Any,
) -> TrialRun:
    """An any-target trial, with its error and KID at each target."""
    metrics: dict[str, float] = {}
    for way, by_target in (("", errors), ("exact/", exact)):
        for target, numbers in by_target.items():
            found = _metrics(way, "saturation", *numbers)
            start = f"eval/saturation {target:g}/"
            metrics |= {start + k.removeprefix("eval/"): v for k, v in found.items()}
    return run(
        settings.pop("name", "saturation=any"),
        {"saturation": Control(target="any", weight=settings.pop("weight", 200.0))},
        metrics,
        eval_targets=[{"saturation": target} for target in errors],
        **settings,
    )
