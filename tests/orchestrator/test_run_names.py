"""Names of trials in MLflow: what differs comes first."""

import pytest

from orchestrator.sweep.run_names import run_names
from orchestrator.sweep.trials import Trial
from tests.support.factories import config


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["saturation=0.5", "saturation=0.75", "baseline", "recoloured, saturation=0.5"],
            ["saturation=0.5", "saturation=0.75", "baseline", "recoloured, saturation=0.5"],
        ),
        (
            ["saturation=0.5, seed=0", "saturation=0.5, seed=1", "baseline"],
            ["seed=0, saturation=0.5", "seed=1, saturation=0.5", "baseline"],
        ),
        (
            ["saturation=0.5", "saturation=0.5, preset=original"],
            ["saturation=0.5", "preset=original, saturation=0.5"],
        ),
        (["baseline, seed=0", "baseline, seed=1"], ["seed=0, baseline", "seed=1, baseline"]),
        (
            [f"recoloured, hue=0.6, seed={seed}" for seed in (0, 1)] + ["baseline"],
            [f"recoloured, seed={seed}, hue=0.6" for seed in (0, 1)] + ["baseline"],
        ),
        (
            [f"hue=any, hue.hold_out=[[0.1, 0.2]], seed={seed}" for seed in (0, 1)],
            [f"seed={seed}, hue=any, hue.hold_out=[[0.1, 0.2]]" for seed in (0, 1)],
        ),
        (["saturation=0.5, seed=0"], ["saturation=0.5, seed=0"]),
    ],
)
def test_what_differs_among_the_trials_of_a_kind_comes_first(
    names: list[str], expected: list[str]
) -> None:
    trials = [Trial(name, str(i), config()) for i, name in enumerate(names)]
    assert [*run_names(trials).items()] == [(str(i), name) for i, name in enumerate(expected)]
