"""Trainings whose checkpoints live on S3: a server that fails, requests to stop, takeovers."""

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

from gan import checkpoint
from gan.config import TrainConfig
from gan.training.progress import Progress, is_final
from orchestrator.store.attempts import attempts
from orchestrator.store.lease import Lease
from orchestrator.store.object_store import ObjectStore
from orchestrator.store.object_sweep import ObjectSweep
from orchestrator.store.paths import PRUNED
from orchestrator.store.prune_marker import PruneMarker, read_marker, write_marker
from orchestrator.worker.stop_signal import StopReason, StopSignal
from tests.support.s3 import (
    Server,
    stored_steps,
)
from tests.support.tasks import run_here, task_of
from tests.support.trainings import assert_same_generator, left_alone, small


def fit(
    uri: str,
    config: TrainConfig,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    stop: StopSignal | None = None,
) -> tuple[str, str]:
    path = f"sweeps/some/{config.key()}"
    task = task_of(config, Path("unused"), storage=uri, path=path, token="token")
    return run_here(task, on_progress, stop)


def generator_of(uri: str, config: TrainConfig) -> bytes:
    at = f"sweeps/some/{config.key()}/checkpoints/step-{config.steps:08}/{checkpoint.GENERATOR}"
    return ObjectStore(uri).read(at)


def test_a_server_that_is_away_stops_no_training_and_gets_the_rest_later(
    uri: str, server: Server, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz)
    seen: list[Progress] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        if progress.step == 0:
            server.pause()
        if progress.step == config.steps and not progress.measuring:
            server.resume()

    assert fit(uri, config, watch) == ("finished", "")
    assert seen[-1].step == config.steps
    assert seen[-1].durable_step == 0, "what is not stored is not called durable"
    assert_same_generator(generator_of(uri, config), left_alone(config, tmp_path / "alone"))


def test_refused_writes_stop_the_trial_in_one_line_and_it_goes_on_once_they_are_taken(
    uri: str, server: Server, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz, steps=4000, evaluate_every=20)
    refused = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.durable_step > 0 and not refused.is_set():
            server.refuse()
            refused.set()

    ending, reason = fit(uri, config, watch)
    assert refused.is_set()
    assert ending == "failed"
    assert "\n" not in reason
    assert "launch again" in reason
    assert re.search("ACCESS_DENIED|INVALID_ACCESS_KEY_ID", reason)
    server.allow()
    (kept,) = sorted(stored_steps(uri, f"sweeps/some/{config.key()}"))[-1:]
    step = int(kept.removeprefix("step-"))
    assert 0 < step < 4000
    shorter = config.model_copy(update={"steps": step + 20})
    steps: list[int] = []
    assert fit(uri, shorter, lambda progress: steps.append(progress.step)) == ("finished", "")
    assert steps[0] == step
    assert_same_generator(generator_of(uri, shorter), left_alone(shorter, tmp_path / "alone"))


def test_a_request_to_stop_is_heard_and_the_checkpoint_is_stored(
    uri: str, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz, steps=10**6)
    mirror = ObjectSweep(uri, tmp_path / "runs", "some")
    steps: list[int] = []

    def watch(progress: Progress) -> None:
        if not steps:
            mirror.ask_to_stop(config.key())
        steps.append(progress.step)

    assert fit(uri, config, watch) == ("stopped", "")
    mirror.refresh()
    trial = mirror.directory / config.key()
    newest = checkpoint.newest(trial, checkpoint.TRIAL)
    assert newest is not None
    assert newest.trial["step"] == steps[-1] > 0
    assert [attempt.ended for attempt in attempts(trial)] == ["stopped"]

    mirror.forget_stop()
    mirror.forget([config.key()])
    shorter = config.model_copy(update={"steps": 1})
    assert fit(uri, shorter) == ("finished", "")
    mirror.refresh()
    ended = checkpoint.newest(trial, checkpoint.TRIAL)
    assert ended is not None
    assert (ended.trial["step"], ended.trial["total_steps"]) == (steps[-1], 1)
    assert "eval/exact/saturation_error" in ended.trial["history"][-1]["metrics"]


def test_a_stop_within_the_last_evaluation_stores_every_step_and_later_the_evaluation(
    uri: str, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz, steps=12, controls={"saturation": {"target": "any"}})
    mirror, stop = ObjectSweep(uri, tmp_path / "runs", "some"), StopSignal()

    def newest() -> tuple[int, bool]:
        mirror.refresh()
        found = checkpoint.newest(mirror.directory / config.key(), checkpoint.TRIAL)
        assert found is not None
        return found.trial["step"], is_final(found.trial)

    def in_the_first_target(progress: Progress) -> None:
        if progress.measuring == "1 of 9":
            stop.set(StopReason.USER)

    assert fit(uri, config, in_the_first_target, stop) == ("stopped", "")
    assert newest() == (12, False)
    steps: list[int] = []
    assert fit(uri, config, lambda progress: steps.append(progress.step)) == ("finished", "")
    assert set(steps) == {12}
    assert newest() == (12, True)


def test_a_trial_that_was_asked_to_end_before_its_turn_is_not_begun(
    uri: str, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz)
    ObjectSweep(uri, tmp_path / "runs", "some").ask_to_stop()
    steps: list[int] = []
    assert fit(uri, config, lambda progress: steps.append(progress.step)) == ("waiting", "")
    assert steps == []
    assert stored_steps(uri, f"sweeps/some/{config.key()}") == set()


def test_a_schedulers_mark_is_heard_and_seen_elsewhere(
    uri: str, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz, steps=10**6)
    driver, other = (ObjectSweep(uri, tmp_path / name, "some") for name in ("driver", "other"))
    marker = PruneMarker(10, "mae", 0.5, 0.5, "asha", {})

    def watch(progress: Progress) -> None:
        if not (driver.directory / config.key() / PRUNED).exists():
            write_marker(driver.directory / config.key(), marker)
            driver.publish_soon(f"{config.key()}/pruned.json")

    assert fit(uri, config, watch) == ("pruned", marker.reason)
    other.refresh()
    assert read_marker(other.directory / config.key()) == marker
    driver.forget([config.key()])
    assert read_marker(driver.directory / config.key()) is None
    other.refresh()
    assert read_marker(other.directory / config.key()) is None
    assert fit(uri, small(small_npz), lambda _: None) == ("finished", ""), "it goes on"


def test_a_driver_hears_its_own_request_even_if_the_store_does_not_answer(
    uri: str, tmp_path: Path
) -> None:
    mirror = ObjectSweep(uri, tmp_path, "some")
    assert not mirror.is_asked_to_stop()
    mirror.ask_to_stop_soon()
    assert mirror.is_asked_to_stop()


def test_a_worker_whose_launch_was_taken_over_ends(
    uri: str, store: ObjectStore, small_npz: Path
) -> None:
    config = small(small_npz, steps=10**6)

    def watch(progress: Progress) -> None:
        if progress.step == 0:
            lease = Lease("elsewhere", 7, "2026-01-01", "another token")
            store.write("sweeps/some/claim.json", json.dumps(vars(lease)).encode())

    ending, reason = fit(uri, config, watch)
    assert ending == "failed"
    assert "another launch has taken over: process 7 on elsewhere" in reason


def test_a_recoloured_trial_takes_over_from_the_stored_baseline(
    uri: str, small_npz: Path, tmp_path: Path
) -> None:
    recoloured = small(
        small_npz, recolour=True, controls={"saturation": {"target": 0.5, "weight": 0}}
    )
    baseline = recoloured.without_control()
    assert fit(uri, baseline) == ("finished", "")
    steps: list[int] = []
    assert fit(uri, recoloured, lambda progress: steps.append(progress.step)) == ("finished", "")
    assert steps[0] == recoloured.steps
    assert generator_of(uri, baseline) == generator_of(uri, recoloured)
