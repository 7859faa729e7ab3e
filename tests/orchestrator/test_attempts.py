import json
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gan.training.progress import Progress
from orchestrator.store.attempts import (
    Attempt,
    AttemptLog,
    attempts,
    goodput,
    restarts,
    wasted_steps,
)
from orchestrator.store.events import TrialEvent
from reports.phase import TrialPhase

KILLED = Attempt("a", 1, 1000.0, 1100.0, 0, 80, 400, counted=80.0, checkpoints=4.0)
STOPPED = replace(KILLED, started=2000.0, seen=2050.0, from_step=60, step=100, counted=40.0)
STOPPED = replace(STOPPED, ended=TrialPhase.STOPPED)
LAST = replace(KILLED, started=3000.0, seen=3350.0, from_step=100, step=400, counted=300.0)
LAST = replace(LAST, ended=TrialPhase.FINISHED)


def running_at(step: int, seconds: float) -> TrialEvent:
    progress = Progress(step, 400, 1.0, 10.0, {}, 0, seconds, 0.5)
    return TrialEvent("key", TrialPhase.RUNNING, progress)


def test_a_log_says_where_its_process_began_and_how_far_it_came(tmp_path: Path) -> None:
    log = AttemptLog(tmp_path, 1000.0)
    (begun,) = attempts(tmp_path)
    assert (begun.host, begun.process) == (socket.gethostname(), os.getpid())
    assert (begun.step, begun.ended) == (0, None)
    log.write(running_at(60, 30.0))
    log.write(running_at(90, 42.0))
    (running,) = attempts(tmp_path)
    assert (running.from_step, running.step, running.total_steps) == (60, 90, 400)
    assert (running.counted, running.checkpoints) == (12.0, 0.5)
    assert running.ended is None
    assert running.started == 1000
    assert running.seen > begun.seen
    log.write(TrialEvent("key", TrialPhase.FAILED, reason="no room"))
    (ended,) = attempts(tmp_path)
    assert (ended.ended, ended.reason, ended.step) == ("failed", "no room", 90)


def test_attempts_come_in_order_and_a_torn_one_is_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "attempts"
    folder.mkdir()
    for attempt in (LAST, KILLED, STOPPED):
        file = folder / f"{int(attempt.started * 1000)}-a-1.json"
        file.write_text(json.dumps(vars(attempt)))
    (folder / "2500000-a-1.json").write_text('{"host": "a"')
    for _ in range(2):
        assert attempts(tmp_path) == [KILLED, STOPPED, LAST]
    (line,) = caplog.messages
    assert line == f"skipped a damaged attempt log: {folder / '2500000-a-1.json'}"
    assert attempts(tmp_path / "none") == []


def test_what_was_lost_is_counted_where_it_was_lost() -> None:
    assert wasted_steps([KILLED, STOPPED, LAST]) == [20, 0, 0]
    assert restarts([KILLED, STOPPED, LAST]) == 1
    assert restarts([KILLED]) == 0, "nothing followed yet"
    assert wasted_steps([]) == []


def test_one_that_died_while_loading_takes_nothing_from_the_one_before() -> None:
    loading = Attempt("a", 1, 1200.0, 1203.0)
    resumed = replace(LAST, from_step=60)
    assert wasted_steps([KILLED, loading, resumed]) == [20, 0, 0]
    assert restarts([KILLED, loading, resumed]) == 2


def test_goodput_is_time_in_steps_that_counted_over_time_on_workers() -> None:
    # 80 s on 80 steps of which 60 counted, 40 s and 300 s, of 100 + 50 + 350 s.
    assert goodput([[KILLED, STOPPED], [LAST]]) == pytest.approx((60 + 40 + 300) / 500)
    assert goodput([[replace(KILLED, seen=1000.0)]]) is None
    assert goodput([]) is None


def test_goodput_does_not_fall_while_an_evaluation_takes_minutes(tmp_path: Path) -> None:
    now = time.time()
    log = AttemptLog(tmp_path, now - 1000)
    log.write(running_at(0, 0.0))
    progress = Progress(400, 400, 1.0, 0.0, {}, 0, 100.0, 0.5, evaluation_seconds=850.0)
    log.write(TrialEvent("key", TrialPhase.RUNNING, progress))
    (running,) = attempts(tmp_path)
    assert (running.counted, running.evaluating) == (100, 850)
    assert goodput([[running]]) == pytest.approx(0.95, abs=0.01)
    # It is lost if its process ends before it.
    again = replace(running, started=now, seen=now + 1000, from_step=400, evaluating=0.0)
    assert goodput([[running, again]]) == pytest.approx(0.1, abs=0.01)
    log.write(TrialEvent("key", TrialPhase.STOPPED))
    assert goodput([attempts(tmp_path)]) == pytest.approx(0.1, abs=0.01)
