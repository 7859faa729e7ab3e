"""Ray's schedulers, asked through ours: what is behind is marked, and Ray goes on."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.driver.scheduler import Pruner
from orchestrator.store.prune_marker import read_marker
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from tests.support.searches import ASHA, MEDIAN, evaluated_event, grid, trained
from tests.support.tasks import task_of

GOOD = {10: 0.5, 20: 0.3, 30: 0.25, 40: 0.2}


@pytest.fixture
def evaluated(tmp_path: Path) -> Callable[..., None]:
    def evaluated(
        pruner: Pruner, trial: Trial, step: int, error: float, mae: float = 0.05, total: int = 100
    ) -> None:
        task = task_of(trial.config, tmp_path / trial.key)
        result = {"event": evaluated_event(step, error, mae, total)}
        ray_trial = SimpleNamespace(config={"task": asdict(task)})
        assert pruner.on_trial_result(None, ray_trial, result) == "CONTINUE"

    return evaluated


@pytest.fixture(params=[ASHA, MEDIAN], ids=["asha", "median"])
def known(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Pruner, list[Trial]]:
    """A scheduler that was told of four trials of earlier launches, and six trials."""
    trials = grid(tmp_path, request.param, 6)
    states = {t.key: trained(GOOD) for t in trials[:4]}
    states |= {t.key: trained({}) for t in trials[4:]}
    return Pruner(read_sweep(tmp_path / "mine.yaml"), trials, states, print), trials


def test_who_is_behind_trials_of_earlier_launches_is_marked(
    known: tuple[Pruner, list[Trial]], evaluated: Callable[..., None], tmp_path: Path
) -> None:
    pruner, trials = known
    worse, better = trials[4:]
    for trial, error in ((worse, 0.7), (better, 0.2)):
        evaluated(pruner, trial, 10, error)
        assert read_marker(tmp_path / trial.key) is None, "within its grace"
        evaluated(pruner, trial, 20, error)
    assert read_marker(tmp_path / better.key) is None
    marker = read_marker(tmp_path / worse.key)
    assert marker is not None
    assert (marker.step, marker.metric, marker.value) == (20, "saturation_error", 0.7)
    evaluated(pruner, worse, 30, 0.8)  # until its worker has seen the mark
    assert read_marker(tmp_path / worse.key) == marker


def test_who_is_above_a_bound_is_behind_whatever_its_metric(
    known: tuple[Pruner, list[Trial]], evaluated: Callable[..., None], tmp_path: Path
) -> None:
    pruner, trials = known
    evaluated(pruner, trials[4], 20, 0.01, mae=0.11)
    assert read_marker(tmp_path / trials[4].key) is not None


def test_a_trial_that_is_at_its_end_is_not_stopped(
    known: tuple[Pruner, list[Trial]], evaluated: Callable[..., None], tmp_path: Path
) -> None:
    pruner, trials = known
    evaluated(pruner, trials[4], 20, 0.9, total=20)
    assert read_marker(tmp_path / trials[4].key) is None


def test_an_evaluation_that_is_stored_is_not_judged_again(
    known: tuple[Pruner, list[Trial]], evaluated: Callable[..., None], tmp_path: Path
) -> None:
    pruner, trials = known
    for step in GOOD:  # as after a worker's death
        evaluated(pruner, trials[0], step, 0.99)
    assert read_marker(tmp_path / trials[0].key) is None


@pytest.mark.parametrize("scheduler", [ASHA, MEDIAN], ids=["asha", "median"])
def test_without_others_nothing_is_stopped(
    scheduler: str, evaluated: Callable[..., None], tmp_path: Path
) -> None:
    trials = grid(tmp_path, scheduler, 2)
    states = {t.key: TrialState() for t in trials}
    pruner = Pruner(read_sweep(tmp_path / "mine.yaml"), trials, states, print)
    for step in (20, 40):
        evaluated(pruner, trials[0], step, 0.9)
    assert not list(tmp_path.glob("*/pruned.json"))


def test_a_baseline_and_what_recolours_it_are_not_stopped(
    evaluated: Callable[..., None], tmp_path: Path
) -> None:
    text = """
    settings: {steps: 100, evaluate_every: 10}
    points: [{}, {saturation: 0.75}, {saturation: 0.5}]
    objective: {metric: mae}
    """
    (tmp_path / "mine.yaml").write_text(text + ASHA)
    spec = read_sweep(tmp_path / "mine.yaml")
    baseline, steered, other, recoloured, *_ = trials = expand(spec)
    assert recoloured.config.recolour
    states = {t.key: TrialState() for t in trials} | {other.key: trained(GOOD, mae=0.01)}
    published: list[str] = []
    pruner = Pruner(spec, trials, states, published.append)
    for trial in (baseline, recoloured, steered):
        evaluated(pruner, trial, 20, 0.0, mae=0.5)
    assert read_marker(tmp_path / baseline.key) is None
    assert read_marker(tmp_path / recoloured.key) is None
    assert read_marker(tmp_path / steered.key) is not None
    assert published == [f"{steered.key}/pruned.json"]
