"""What a sweep file may say of searches and schedulers, and which trials follow."""

import re
from pathlib import Path

import pytest
import torch

from gan.config import TrainConfig
from gan.data.datasets import Dataset
from gan.errors import UserError
from gan.training.trainer import Trainer
from orchestrator.store.paths import sweep_directory
from orchestrator.store.prune_marker import PruneMarker, pruning_terms, write_marker
from orchestrator.store.trial_state import states_of
from orchestrator.sweep.search_settings import INFEASIBLE, Objective, metric_names
from orchestrator.sweep.search_space import chosen_before, chosen_trial, to_suggest
from orchestrator.sweep.spec import SHIPPED, read_sweep
from orchestrator.sweep.trials import Trial, expand
from reports.phase import TrialPhase
from tests.support.searches import ASHA, MEDIAN, OBJECTIVE, SEARCH, point, written

LR = "search: {trials: 3, over: {generator_lr: %s}}"
BATCH = "search: {trials: 3, over: {batch_size: {low: 8, high: 64}}}\n"


def over(field: str, values: str = "{low: 1, high: 2}") -> str:
    return f"{OBJECTIVE}search: {{trials: 1, over: {{{field}: {values}}}}}"


@pytest.mark.parametrize(
    ("text", "start", "also"),
    [
        (over("generator_lr", "{low: 1, high: 0.1}"), "search.over.generator_lr.low", "not below"),
        (over("generator_lr", "{low: 0, high: 1, log: true}"), "search.over.generator_lr.low", "0"),
        (over("generator_lr", "{low: -1, high: 1}"), "search.over.generator_lr: ", "than 0, not"),
        (over("generator_lr", "{lo: 1, high: 2}"), "search.over.generator_lr.lo: ", "'low'? Val"),
        (
            over("generator_lr", "{low: 1}"),
            "search.over.generator_lr: needs",
            "low and high, or choices",
        ),
        (over("generator_l"), "search.over.generator_l: ", "did you mean 'generator_lr'?"),
        (over("generator_loss"), "search.over.generator_loss: ", "takes choices"),
        (over("generator_loss", "minmax"), "search.over.generator_loss: ", "mean 'minimax'? Val"),
        (over("batch_size", "{low: 1.5, high: 2}"), "search.over.batch_size: ", "whole numbers"),
        (over("batch_size", "{choices: []}"), "search.over.batch_size.choices: ", "a list"),
        (over("hue.weight"), "search.over: hue.weight needs a target", ""),
        (over("steps"), "search.over.steps: is nothing to search over; valid: satur", "batch_size"),
        (over("lightness"), "search.over.lightness: lightness is no control", ""),
        (over("generator_lr", "[1, 2]"), "search.over.generator_lr: must be names and values", ""),
        (OBJECTIVE + "search: {trials: 1, over: 3}", "search.over: must be names and values", ""),
        (OBJECTIVE + "search: {trials: 1, over: {}}", "search.over: needs at least one", ""),
        (OBJECTIVE + "search: {trials: 1}", "search.over: is missing", ""),
        (OBJECTIVE + BATCH.replace(": 3", ": 3, trial: 3"), "search.trial: ", "mean 'trials'?"),
        (OBJECTIVE + BATCH.replace("3", "0"), "search.trials: ", "greater than or equal to 1"),
        (
            OBJECTIVE + BATCH.replace("3", "58"),
            "search.trials: 58, but there are no more than 57",
            "",
        ),
        (OBJECTIVE + BATCH + "axes: {seed: [1]}", "search: goes with points", "not with axes"),
        (BATCH, "objective: is missing; valid: objective: {metric: mae}", ""),
        (OBJECTIVE, "objective: is for a search or a scheduler; there is none", ""),
        (ASHA + "objective: {metric: sat}", "objective.metric: unknown metric 'sat'", "valid: mae"),
        (BATCH + "objective: {metric: hue_error}", "objective.metric: ", "saturation_error, "),
        (BATCH + "objective: {metric: mae, mode: most}", "objective.mode: ", "valid: min, max"),
        (ASHA + "objective: {metric: mae, subject_to: {sim: 1}}", "objective.subject_to: ", "ssim"),
        (ASHA + "objective: {metric: mae, subject_to: {mae: 0}}", "objective.subject_to.mae: ", ""),
        (ASHA + "objective: {metric: mae, subject_to: {mae: x}}", "objective.subject_to.mae: ", ""),
        (OBJECTIVE + ASHA.replace("asha", "aha"), "scheduler.name: ", "'asha'? Valid: asha, med"),
        (OBJECTIVE + ASHA.replace("asha", "median"), "scheduler.reduction_factor: is asha's", ""),
        (OBJECTIVE + MEDIAN.replace("20", "91"), "scheduler.grace_steps: no trial has an ev", "91"),
        (OBJECTIVE + "scheduler: {name: asha}", "scheduler.grace_steps: is missing", ""),
        (OBJECTIVE + "scheduler: asha", "scheduler: must be names and values", ""),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_its_key(
    tmp_path: Path, text: str, start: str, also: str
) -> None:
    with pytest.raises(UserError) as raised:
        expand(written(tmp_path, text))
    message = str(raised.value)
    assert re.match(
        rf"{re.escape(str(tmp_path / 'mine.yaml'))}(:\d+)?: {re.escape(start)}", message
    )
    assert also in message.partition(start)[2]
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("saturation", [0.75, "any"])
def test_every_metric_that_may_be_named_is_measured(photos: Dataset, saturation: object) -> None:
    config = TrainConfig.model_validate(
        {
            "steps": 2,
            "base_channels": 2,
            "batch_size": 8,
            "eval_images": 2,
            "controls": {"saturation": {"target": saturation}, "warmth": {"target": 1}},
        }
    )
    of = Trainer(config, photos, torch.device("cpu"))
    of.training.evaluate()
    (measured,) = (p["metrics"] for p in of.training.history)
    names = {name.removeprefix("eval/") for name in measured} - {"images", "pictures"}
    bounds = {f"{name}_{end}" for name in config.controls for end in ("lowest", "highest")}
    of_trial = {name for name in names - bounds if "/" not in name}
    assert set(metric_names(config)) <= of_trial
    assert saturation == "any" or set(metric_names(config)) == of_trial


def metrics(error: float, mae: float = 0.0, psnr: float = 20.0) -> dict[str, float]:
    return {"eval/saturation_error": error, "eval/mae": mae, "eval/psnr": psnr}


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_trial_above_a_bound_is_behind_every_trial_within(mode: str) -> None:
    objective = Objective.model_validate(
        {"metric": "psnr", "mode": mode, "subject_to": {"mae": 0.1, "saturation_error": 0.2}}
    )
    best_first = [
        metrics(0.1, 0.05, 10 if mode == "min" else 30),
        metrics(0.2, 0.1, 20),  # at the bounds is within
        metrics(0.1, 0.05, 30 if mode == "min" else 10),
        metrics(0.1, 0.11, 1 if mode == "min" else 99),
        metrics(0.23, 0.105, 20),  # by a fifth of its bounds in all
    ]
    ranks = [objective.rank(each) or 0 for each in best_first]
    assert ranks == sorted(ranks, reverse=mode == "max")
    assert [abs(rank) >= INFEASIBLE for rank in ranks] == [False] * 3 + [True] * 2


def test_what_is_not_measured_or_not_finite_has_no_rank() -> None:
    objective = Objective(metric="psnr", subject_to={"mae": 0.1})
    for each in ({}, {"eval/psnr": 20.0}, {"eval/psnr": float("inf"), "eval/mae": 0.0}):
        assert objective.rank(each) is None
    history = [{"step": 5, "metrics": {"loss/l1": 1.0}}, {"step": 10, "metrics": metrics(0)}]
    assert objective.ranks(history) == {10: 20.0}


def test_numbers_are_trained_with_as_they_are_named(tmp_path: Path) -> None:
    text = """
search:
  trials: 3
  over:
    saturation.weight: {low: 10, high: 1000.5}
    generator_lr: {low: 1.234567e-5, high: 1.0e-3, log: true}
    batch_size: {low: 8, high: 20000}
"""
    spec = written(tmp_path, OBJECTIVE + text)
    chosen = {"saturation.weight": 123.456, "generator_lr": 0.000213456, "batch_size": 12345}
    trial = chosen_trial(spec, chosen)
    assert trial.name == (
        "saturation=0.75, saturation.weight=123, generator_lr=0.000213, batch_size=12345"
    )
    assert trial.config.controls["saturation"].weight == 123
    assert (trial.config.generator_lr, trial.config.batch_size) == (0.000213, 12345)
    low = chosen_trial(spec, chosen | {"generator_lr": 1.234567e-5, "saturation.weight": 1000.4})
    assert low.config.generator_lr == 1.234567e-5, "rounded, it would be outside"
    assert chosen_before(spec, [], [trial, low]) == [trial, low]


def test_a_plain_value_is_the_same_for_all_and_points_may_be_without(tmp_path: Path) -> None:
    spec = read_sweep(SHIPPED / "search.yaml")
    assert [t.name for t in expand(spec)] == [
        "baseline",
        "saturation=0.75",
        "recoloured, saturation=0.75",
    ]
    assert spec.search is not None
    assert spec.search.over["saturation.target"].choices == (0.75,)


def test_the_adaptive_sweep_in_the_readme_expands(tmp_path: Path) -> None:
    readme = (SHIPPED / "README.md").read_text()
    file = tmp_path / "mine.yaml"
    file.write_text(readme.split("```yaml\n")[2].split("```")[0])
    spec = read_sweep(file)
    names = ["baseline", "saturation=0.75", "recoloured, saturation=0.75"]
    assert [t.name for t in expand(spec)] == names
    assert (spec.search and spec.search.trials, spec.scheduler and spec.scheduler.name) == (
        20,
        "asha",
    )


def test_an_edit_leaves_a_search_the_trials_that_it_could_still_choose(tmp_path: Path) -> None:
    spec = written(tmp_path, OBJECTIVE + SEARCH)
    record = [point(spec, 10), point(spec, 30, 16), point(spec, 300)]

    def found(text: str) -> list[Trial]:
        edited = written(tmp_path, OBJECTIVE + text)
        return chosen_before(edited, expand(edited), record)

    assert found(SEARCH) == record
    assert found(SEARCH.replace("low: 10", "low: 20")) == record[1:]
    assert found(SEARCH.replace("[8, 16]", "[8, 32]")) == [record[0], record[2]]
    assert found(SEARCH + "points: [{saturation.weight: 10, batch_size: 8}]") == record[1:]
    assert found(ASHA) == []
    spec.settings["steps"] = 200
    longer = chosen_before(spec, [], record)
    assert [t.key for t in longer] == [t.key for t in record]
    assert {t.config.steps for t in longer} == {200}
    spec.settings["beta1"] = 0.1
    assert chosen_before(spec, [], record) == []


@pytest.mark.parametrize(("chosen", "left"), [(0, 6), (4, 2), (6, 0), (7, 0)])
def test_the_number_of_trials_is_that_of_all_launches(
    tmp_path: Path, chosen: int, left: int
) -> None:
    spec = written(tmp_path, OBJECTIVE + SEARCH)
    assert to_suggest(spec, [point(spec, 10 + i) for i in range(chosen)]) == left


@pytest.mark.parametrize(
    ("edit", "counts"),
    [
        (("", ""), True),
        (("trials: 6", "trials: 9"), True),
        (("steps: 100", "steps: 120"), False),
        (("grace_steps: 20", "grace_steps: 30"), False),
        (("name: asha", "name: median"), False),
        (("mae: 0.1", "mae: 0.2"), False),
        ((ASHA, ""), False),
    ],
)
def test_a_mark_counts_while_the_file_asks_for_the_same(
    tmp_path: Path, edit: tuple[str, str], counts: bool
) -> None:
    spec = written(tmp_path, OBJECTIVE + SEARCH + ASHA)
    trial = point(spec, 10)
    directory = sweep_directory(tmp_path, "mine") / trial.key
    mark = PruneMarker(20, "saturation_error", 0.5, 0.5, "asha", pruning_terms(spec, trial.config))
    write_marker(directory, mark)
    assert mark.reason == "stopped by the scheduler (asha) at step 20"
    text = spec.path.read_text().replace(*edit)
    if "median" in text:
        text = text.replace(", reduction_factor: 2", "")
    spec.path.write_text(text)
    edited = read_sweep(spec.path)
    again = point(edited, 10)
    assert again.key == trial.key
    state = states_of(edited, [again], tmp_path)[trial.key]
    assert state.phase is (TrialPhase.PRUNED if counts else TrialPhase.WAITING)
