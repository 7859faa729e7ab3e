import time
from pathlib import Path

import pytest

from gan import checkpoint
from gan.training.progress import Progress, is_final, newest_metrics
from orchestrator.sweep.search_settings import Objective
from tests.support.trainings import Start, assert_same_generator, everything, points

ANY = {"saturation": {"target": "any"}}


@pytest.mark.slow
def test_a_stop_within_the_last_evaluation_is_heard_and_keeps_every_step(
    start: Start, tmp_path: Path
) -> None:
    of, trial, heard = start(controls=ANY, steps=12), tmp_path / "stopped", list[Progress]()

    def hear(progress: Progress) -> None:
        heard.append(progress)
        if progress.measuring:
            time.sleep(0.5)

    def in_the_second_target() -> bool:
        return heard[-1].measuring == "2 of 9"

    assert not of.fit(trial, on_progress=hear, should_stop=in_the_second_target)
    newest = checkpoint.newest(trial)
    assert newest is not None
    assert newest.trial["step"] == heard[-1].step == heard[-1].durable_step == 12
    assert not is_final(newest.trial)
    assert newest.trial["seconds"] < heard[-2].seconds + 2 * 0.5, "the lost time does not count"
    again, first = start(controls=ANY, steps=12), []
    assert again.fit(trial, on_progress=lambda progress: first.append(progress.step))
    assert set(first) == {12}, "only measured"
    kept = checkpoint.newest(trial)
    assert kept is not None
    assert is_final(kept.trial)
    alone = start(controls=ANY, steps=12)
    assert alone.fit(tmp_path / "alone")
    assert everything(again) == everything(alone)


@pytest.mark.slow
def test_a_training_stopped_in_its_last_evaluation_and_made_longer_is_one_that_was_so_long(
    start: Start, tmp_path: Path
) -> None:
    of = start(steps=10, evaluate_every=5)
    assert not of.fit(tmp_path / "trial", should_stop=lambda: of.training.step == 10)
    newest = checkpoint.newest(tmp_path / "trial")
    assert newest is not None
    assert (newest.trial["step"], is_final(newest.trial)) == (10, False)
    longer, alone = (start(steps=20, evaluate_every=5) for _ in range(2))
    assert longer.fit(tmp_path / "trial")
    assert alone.fit(tmp_path / "alone")
    assert everything(longer) == everything(alone)


@pytest.mark.slow
def test_the_last_evaluation_says_which_target_it_measures(start: Start, tmp_path: Path) -> None:
    of, heard = start(controls=ANY, steps=12), list[Progress]()
    assert of.fit(tmp_path, on_progress=heard.append)
    told = [progress for progress in heard if progress.measuring]
    assert [progress.measuring for progress in told] == [f"{n} of 9" for n in range(1, 10)]
    assert {progress.step for progress in told} == {12}
    assert max(progress.durable_step for progress in told) <= 10, "the last step is not yet kept"
    assert not heard[-1].measuring
    taken = [progress.evaluation_seconds for progress in told]
    assert 0 <= taken[0] < taken[-1] < of.training.seconds
    assert taken == sorted(taken)
    assert len({progress.seconds for progress in told}) == 1, "it is counted once it is done"
    assert told[-1].seconds + taken[-1] < heard[-1].seconds
    assert heard[-1].evaluation_seconds == 0


@pytest.mark.slow
def test_the_evaluation_of_what_a_baseline_trained_counts_for_nothing(
    start: Start, tmp_path: Path
) -> None:
    baseline = start(controls={}, steps=2, head_gain=1)
    assert baseline.fit(tmp_path / "baseline")
    aims = {"saturation": {"target": "any", "weight": 0}}
    of, heard = start(controls=aims, steps=2, head_gain=1, recolour=True), list[Progress]()
    assert of.fit(tmp_path / "own", baseline=tmp_path / "baseline", on_progress=heard.append)
    assert [p.measuring for p in heard if p.measuring] == [f"{n} of 9" for n in range(1, 10)]
    assert {p.evaluation_seconds for p in heard} == {0}


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [8, 10], ids=["between evaluations", "at one"])
def test_a_stopped_training_that_is_to_be_shorter_ends_with_all_measured_where_it_is(
    start: Start, tmp_path: Path, stopped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gan.training.session.PROGRESS_SECONDS", 0.0)
    long, trial = start(steps=40), tmp_path / "trial"
    assert not long.fit(trial, should_stop=lambda: long.training.step == stopped)
    shorter = start(steps=4)
    seconds = long.training.seconds
    assert shorter.fit(trial)
    assert shorter.training.seconds > seconds, "its evaluation counts"
    alone = start(steps=stopped)
    assert alone.fit(tmp_path / "alone")
    assert_same_generator(trial, alone)
    found, wanted = (newest_metrics(each.training.history) for each in (shorter, alone))
    assert found == {**wanted, **{n: v for n, v in found.items() if n.startswith("loss/")}}
    assert "eval/exact/saturation_error" in found
    said = [(step, name) for step, metrics in points(shorter) for name in metrics]
    assert len(said) == len(set(said))
    ranks = Objective(metric="mae").ranks(shorter.training.history)
    assert [*ranks] == sorted({*ranks, stopped}), "a search is told of it"
    newest = checkpoint.newest(trial)
    assert newest is not None
    assert (newest.trial["step"], newest.trial["total_steps"]) == (stopped, 4)
    again = start(steps=4)
    assert again.fit(trial)
    assert everything(again) == everything(shorter), "it is done"


@pytest.mark.slow
def test_what_only_a_final_evaluation_measures_is_not_kept_by_a_longer_training(
    start: Start, tmp_path: Path
) -> None:
    assert start(steps=10).fit(tmp_path)
    of, heard = start(steps=40), list[Progress]()
    assert not of.fit(
        tmp_path, on_progress=heard.append, should_stop=lambda: of.training.step == 20
    )
    assert "eval/exact/saturation_error" in heard[0].metrics
    assert heard[-1].step == 20
    assert "eval/saturation_error" in heard[-1].metrics
    assert [name for name in heard[-1].metrics if name.startswith("eval/exact/")] == []


@pytest.mark.slow
def test_of_a_baseline_that_is_damaged_nothing_is_taken_over(start: Start, tmp_path: Path) -> None:
    assert start(controls={}, steps=2).fit(tmp_path / "baseline")
    aims = {"saturation": {"target": 0.5, "weight": 0}}
    first, again = (start(controls=aims, steps=2, recolour=True) for _ in range(2))
    assert first.fit(tmp_path / "own", baseline=tmp_path / "baseline")
    assert start(controls={}, steps=4).fit(tmp_path / "baseline")
    newest = checkpoint.newest(tmp_path / "baseline")
    assert newest is not None
    damaged = newest.path / checkpoint.TRAINING
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    assert again.fit(tmp_path / "own", baseline=tmp_path / "baseline")
    assert points(again) == points(first)
