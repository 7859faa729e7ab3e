from pathlib import Path

import pytest

from gan import checkpoint
from gan.training.progress import Progress
from tests.support.trainings import Start, everything

ANY = {"saturation": {"target": "any"}}


@pytest.mark.slow
def test_a_stop_within_the_last_evaluation_is_heard_and_nothing_of_it_is_kept(
    start: Start, tmp_path: Path
) -> None:
    of, asked = start(controls=ANY, steps=12), []

    def third_time_at_the_end() -> bool:
        if of.training.step == 12:
            asked.append(of.training.step)
        return len(asked) == 3

    assert not of.fit(tmp_path / "stopped", should_stop=third_time_at_the_end)
    assert len(asked) == 3, "nine targets were to be measured"
    newest = checkpoint.newest(tmp_path / "stopped")
    assert newest is not None
    assert newest.trial["step"] == 10, "as of the evaluation before"
    again = start(controls=ANY, steps=12)
    assert again.fit(tmp_path / "stopped")
    alone = start(controls=ANY, steps=12)
    assert alone.fit(tmp_path / "alone")
    assert everything(again) == everything(alone)


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
