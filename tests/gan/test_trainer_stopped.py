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
