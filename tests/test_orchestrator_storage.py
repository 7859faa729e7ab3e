"""Storage on S3, against a server in a process of its own."""

import json
import logging
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from commands import assert_refused
from stores import (
    TRIAL,
    Server,
    Wire,
    content,
    make_checkpoint,
    send,
    stored_steps,
)
from trainings import small

from gan import checkpoint
from gan.config import TrainConfig
from gan.datasets import load
from gan.trainer import Progress, Trainer
from orchestrator import remote_claim
from orchestrator.attempts import Ending, attempts
from orchestrator.cli import main
from orchestrator.mirror import Mirror
from orchestrator.pruned import Mark, mark_file, read_mark, write_mark
from orchestrator.storage import Storage
from orchestrator.uploads import Uploads
from orchestrator.worker import train_trial


@pytest.fixture
def store(uri: str) -> Storage:
    return Storage(uri)


def pulled(uri: str) -> dict[str, bytes]:
    """What a worker begins with."""
    with Uploads(uri, TRIAL, "token") as worker:
        return content(worker.directory / "checkpoints")


def test_a_worker_begins_with_what_another_left(uri: str, tmp_path: Path) -> None:
    send(uri, 20)
    made = make_checkpoint(tmp_path / "made", 20)
    assert pulled(uri) == content(made.parent)


def test_nothing_stays_in_the_scratch_directory(uri: str) -> None:
    send(uri, 20)
    assert content(Uploads(uri, TRIAL, "token").directory) == {}


def test_two_checkpoints_are_kept(uri: str) -> None:
    send(uri, 20, 40, 60)
    assert stored_steps(uri) == {"step-00000040", "step-00000060"}
    send(uri, 80)
    assert stored_steps(uri) == {"step-00000060", "step-00000080"}


def _tear(store: Storage, path: str) -> None:
    store.write(path, store.read(path)[:-1])


def _alter(store: Storage, path: str) -> None:
    store.write(path, b"!" + store.read(path)[1:])


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (_tear, checkpoint.TRAINING),
        (_alter, checkpoint.TRAINING),
        (Storage.remove, checkpoint.TRAINING),
        (_alter, checkpoint.MANIFEST),
        (Storage.remove, checkpoint.MANIFEST),
    ],
)
def test_a_damaged_newest_checkpoint_is_skipped_for_the_one_before(
    uri: str,
    store: Storage,
    damage: Callable[[Storage, str], None],
    file: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    send(uri, 20, 40)
    damage(store, f"{TRIAL}/checkpoints/step-00000040/{file}")
    with caplog.at_level(logging.WARNING):
        assert {name.partition("/")[0] for name in pulled(uri)} == {"step-00000020"}
    unfinished = damage is Storage.remove and file == checkpoint.MANIFEST
    assert ("skipped a damaged checkpoint" in caplog.text) != unfinished
    send(uri, 60)  # goes on from 20: what is damaged is not kept
    assert stored_steps(uri) == {"step-00000020", "step-00000060"}


@pytest.mark.parametrize("damage", [_tear, _alter])
def test_the_mirror_skips_it_too(
    uri: str, store: Storage, tmp_path: Path, damage: Callable[[Storage, str], None]
) -> None:
    send(uri, 20, 40)
    mirror = Mirror(uri, tmp_path, "some")
    trial = mirror.root / TRIAL
    damage(store, f"{TRIAL}/checkpoints/step-00000040/{checkpoint.TRIAL}")
    mirror.refresh()
    newest = checkpoint.newest(trial)
    assert newest is not None
    assert newest.name == "step-00000020"
    send(uri, 60)
    mirror.refresh("0123abcd")
    newest = checkpoint.newest(trial)
    assert newest is not None
    assert newest.name == "step-00000060"
    assert {p.name for p in newest.iterdir()} == {
        checkpoint.TRIAL,
        checkpoint.CONFIG,
        checkpoint.MANIFEST,
    }


def test_a_mirror_fetches_the_generator_of_a_finished_trial_where_it_is_wanted(
    uri: str, tmp_path: Path
) -> None:
    send(uri, 100)
    mirror = Mirror(uri, tmp_path, "some")
    generator = mirror.root / TRIAL / "checkpoints" / "step-00000100" / checkpoint.GENERATOR
    mirror.refresh()
    assert not generator.exists()
    mirror.refresh("0123abcd")
    assert generator.read_bytes() == bytes([100]) * 1000


def test_a_mirror_forgets_what_the_store_no_longer_has(
    uri: str, store: Storage, tmp_path: Path
) -> None:
    send(uri, 100)
    mirror = Mirror(uri, tmp_path, "some")
    mirror.refresh()
    assert checkpoint.newest(mirror.root / TRIAL) is not None
    store.remove_folder(TRIAL)
    mirror.refresh()
    assert checkpoint.newest(mirror.root / TRIAL) is None


SENDS_TWO = f"""
import sys
from stores import make_checkpoint, send, wait_for
from orchestrator.uploads import Uploads
with Uploads(sys.argv[1], "{TRIAL}", "token") as uploads:
    make_checkpoint(uploads.directory, 20)
    wait_for(lambda: uploads.durable_step == 20)
    make_checkpoint(uploads.directory, 40, 1_000_000)
    wait_for(lambda: False)
"""


def test_an_upload_that_is_killed_half_way_leaves_the_checkpoint_before(
    uri: str, store: Storage, server: Server
) -> None:
    wire = Wire(server.port, b"step-00000040/training")
    slow = f"{uri}?endpoint_override=127.0.0.1:{wire.port}&scheme=http"
    here = str(Path(__file__).parent)
    worker = subprocess.Popen([sys.executable, "-c", SENDS_TWO, slow], cwd=here)
    assert wire.held.wait(120)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    wire.close()
    begun = {name for name in store.entries(f"{TRIAL}/checkpoints") if "step-00000040" in name}
    assert begun
    assert stored_steps(uri) == {"step-00000020"}
    assert {name.partition("/")[0] for name in pulled(uri)} == {"step-00000020"}


def fit(
    uri: str,
    config: TrainConfig,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    to_store: Uploads | None = None,
) -> tuple[Ending, str]:
    to_store = to_store or Uploads(uri, f"sweeps/some/{config.key()}", "token")
    return train_trial(
        config,
        to_store.directory,
        Path(),
        torch.device("cpu"),
        started=time.time(),
        on_progress=on_progress,
        should_stop=lambda: False,
        uploads=to_store,
    )


def generator_of(uri: str, config: TrainConfig) -> dict[str, torch.Tensor]:
    at = f"sweeps/some/{config.key()}/checkpoints/step-{config.steps:08}/{checkpoint.GENERATOR}"
    return checkpoint.unpack(Storage(uri).read(at))


def assert_same_as_left_alone(uri: str, config: TrainConfig, directory: Path) -> None:
    alone = Trainer(config, load(config), torch.device("cpu"))
    assert alone.fit(directory)
    stored = generator_of(uri, config)
    for name, tensor in alone.gan.generator.state_dict().items():
        assert torch.equal(stored[name], tensor), name


def test_a_server_that_is_away_stops_no_training_and_gets_the_rest_later(
    uri: str, server: Server, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz)
    seen: list[Progress] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        if progress.step == 0:
            server.pause()
        if progress.step == config.steps:
            server.resume()

    assert fit(uri, config, watch) == ("finished", "")
    assert seen[-1].step == config.steps
    assert seen[-1].durable_step == 0, "what is not stored is not called durable"
    assert_same_as_left_alone(uri, config, tmp_path / "alone")


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
    assert_same_as_left_alone(uri, shorter, tmp_path / "alone")


def test_a_request_to_stop_is_heard_and_the_checkpoint_is_stored(
    uri: str, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz, steps=10**6)
    mirror = Mirror(uri, tmp_path / "runs", "some")
    steps: list[int] = []

    def watch(progress: Progress) -> None:
        if not steps:
            mirror.ask_to_stop(config.key())
        steps.append(progress.step)

    assert fit(uri, config, watch) == ("stopped", "")
    mirror.refresh()
    trial = mirror.directory / config.key()
    newest = checkpoint.newest(trial)
    assert newest is not None
    assert checkpoint.read_trial(newest)["step"] == steps[-1] > 0
    assert [attempt.ended for attempt in attempts(trial)] == ["stopped"]


def test_a_schedulers_mark_is_heard_and_seen_elsewhere(
    uri: str, small_npz: Path, tmp_path: Path
) -> None:
    config = small(small_npz, steps=10**6)
    driver, other = (Mirror(uri, tmp_path / name, "some") for name in ("driver", "other"))
    mark = Mark(10, "mae", 0.5, 0.5, "asha", {})

    def watch(progress: Progress) -> None:
        if not mark_file(driver.directory / config.key()).exists():
            write_mark(driver.directory / config.key(), mark)
            driver.publish(f"{config.key()}/pruned.json")

    to_store = Uploads(uri, f"sweeps/some/{config.key()}", "token")
    assert fit(uri, config, watch, to_store) == ("stopped", "")
    assert to_store.asked == ("pruned", mark.reason)
    other.refresh()
    assert read_mark(other.directory / config.key()) == mark
    driver.forget([config.key()])
    assert read_mark(driver.directory / config.key()) is None
    assert fit(uri, small(small_npz), lambda _: None) == ("finished", ""), "it goes on"


def test_a_driver_hears_its_own_request_even_if_the_store_does_not_answer(
    uri: str, tmp_path: Path
) -> None:
    mirror = Mirror(uri, tmp_path, "some")
    assert not mirror.is_asked_to_stop()
    mirror.ask_to_stop_soon()
    assert mirror.is_asked_to_stop()


def test_a_worker_whose_launch_was_taken_over_ends(
    uri: str, store: Storage, small_npz: Path
) -> None:
    config = small(small_npz, steps=10**6)

    def watch(progress: Progress) -> None:
        if progress.step == 0:
            claim = remote_claim.Claim("elsewhere", 7, "2026-01-01", "another token")
            store.write("sweeps/some/claim.json", json.dumps(vars(claim)).encode())

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
    for name, tensor in generator_of(uri, baseline).items():
        assert torch.equal(generator_of(uri, recoloured)[name], tensor)


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ("ftp://host/x", ("ftp://host/x", "s3://BUCKET/PREFIX")),
        ("s3://", ("s3://", "s3://BUCKET/PREFIX")),
        ("s3://nobucket/x", ("s3://nobucket/x", "no bucket 'nobucket'")),
        ("s3://bucket?unknown=1", ("unknown",)),
    ],
)
@pytest.mark.parametrize("command", ["launch", "status", "stop"])
def test_a_wrong_storage_is_refused_in_one_line(
    uri: str, workplace: Path, storage: str, words: tuple[str, ...], command: str
) -> None:
    given = ["--storage", storage, command, "quickstart"]
    assert_refused(CliRunner().invoke(main, given), "--storage", *words)
    assert list(workplace.iterdir()) == []


def test_wrong_credentials_are_refused_in_one_line(
    uri: str, server: Server, workplace: Path
) -> None:
    server.refuse()
    result = CliRunner().invoke(main, ["--storage", uri, "launch", "quickstart"])
    assert_refused(result, "--storage", uri, "ACCESS")
    assert list(workplace.iterdir()) == []


def test_a_sweep_that_was_never_launched_is_refused_with_those_that_were(
    uri: str, workplace: Path
) -> None:
    send(uri, 20)
    result = CliRunner().invoke(main, ["--storage", uri, "status", "same"])
    assert_refused(result, "same", "did you mean 'some'", uri)


def test_train_refuses_a_store(uri: str, workplace: Path) -> None:
    result = CliRunner().invoke(main, ["--storage", uri, "train", "--steps", "1"])
    assert_refused(result, "--storage", "launch")
