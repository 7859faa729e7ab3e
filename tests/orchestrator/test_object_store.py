"""Storage on S3, against a server in a process of its own."""

import logging
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gan import checkpoint
from orchestrator.cli import main
from orchestrator.store.object_store import ObjectStore
from orchestrator.store.object_sweep import ObjectSweep
from orchestrator.worker.stop_signal import StopSignal
from orchestrator.worker.upload import UploadedTrial
from tests.support.cli import assert_refused
from tests.support.s3 import (
    TRIAL,
    Server,
    Wire,
    content,
    make_checkpoint,
    send,
    stored_steps,
)


def pulled(uri: str) -> dict[str, bytes]:
    """What a worker begins with."""
    with UploadedTrial(uri, TRIAL, "token", StopSignal()) as worker:
        return content(worker.directory / "checkpoints")


def test_a_worker_begins_with_what_another_left(uri: str, tmp_path: Path) -> None:
    send(uri, 20)
    made = make_checkpoint(tmp_path / "made", 20)
    assert pulled(uri) == content(made.parent)


def test_nothing_stays_in_the_scratch_directory(uri: str) -> None:
    send(uri, 20)
    assert content(UploadedTrial(uri, TRIAL, "token", StopSignal()).directory) == {}


def test_two_checkpoints_are_kept(uri: str) -> None:
    send(uri, 20, 40, 60)
    assert stored_steps(uri) == {"step-00000040", "step-00000060"}
    send(uri, 80)
    assert stored_steps(uri) == {"step-00000060", "step-00000080"}


def _tear(store: ObjectStore, path: str) -> None:
    store.write(path, store.read(path)[:-1])


def _alter(store: ObjectStore, path: str) -> None:
    store.write(path, b"!" + store.read(path)[1:])


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (_tear, checkpoint.TRAINING),
        (_alter, checkpoint.TRAINING),
        (ObjectStore.remove, checkpoint.TRAINING),
        (_alter, checkpoint.MANIFEST),
        (ObjectStore.remove, checkpoint.MANIFEST),
    ],
)
def test_a_damaged_newest_checkpoint_is_skipped_for_the_one_before(
    uri: str,
    store: ObjectStore,
    damage: Callable[[ObjectStore, str], None],
    file: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    send(uri, 20, 40)
    damage(store, f"{TRIAL}/checkpoints/step-00000040/{file}")
    with caplog.at_level(logging.WARNING):
        assert {name.partition("/")[0] for name in pulled(uri)} == {"step-00000020"}
    unfinished = damage is ObjectStore.remove and file == checkpoint.MANIFEST
    assert ("skipped a damaged checkpoint" in caplog.text) != unfinished
    send(uri, 60)  # goes on from 20: what is damaged is not kept
    assert stored_steps(uri) == {"step-00000020", "step-00000060"}


@pytest.mark.parametrize("damage", [_tear, _alter])
def test_the_mirror_skips_it_too(
    uri: str, store: ObjectStore, tmp_path: Path, damage: Callable[[ObjectStore, str], None]
) -> None:
    send(uri, 20, 40)
    mirror = ObjectSweep(uri, tmp_path, "some")
    trial = mirror.root / TRIAL
    damage(store, f"{TRIAL}/checkpoints/step-00000040/{checkpoint.TRIAL}")
    mirror.refresh()
    newest = checkpoint.newest(trial)
    assert newest is not None
    assert newest.path.name == "step-00000020"
    send(uri, 60)
    mirror.refresh("0123abcd")
    newest = checkpoint.newest(trial)
    assert newest is not None
    assert newest.path.name == "step-00000060"
    assert {p.name for p in newest.path.iterdir()} == {
        checkpoint.TRIAL,
        checkpoint.CONFIG,
        checkpoint.MANIFEST,
    }


def test_a_mirror_that_was_damaged_is_fetched_anew(uri: str, tmp_path: Path) -> None:
    send(uri, 20, 40)
    mirror = ObjectSweep(uri, tmp_path, "some")
    mirror.refresh()
    file = mirror.root / TRIAL / "checkpoints" / "step-00000040" / checkpoint.TRIAL
    file.write_bytes(file.read_bytes().replace(b"40", b"60"))
    mirror.refresh()
    newest = checkpoint.newest(mirror.root / TRIAL, checkpoint.TRIAL)
    assert newest is not None
    assert newest.trial["step"] == 40


def test_a_checkpoint_that_was_damaged_before_its_upload_replaces_none(
    uri: str, tmp_path: Path
) -> None:
    send(uri, 20, 40)
    made = make_checkpoint(tmp_path, 60)
    (made / checkpoint.TRAINING).write_bytes(bytes(2000))
    with UploadedTrial(uri, TRIAL, "token", StopSignal()) as uploads:
        made.rename(uploads.directory / "checkpoints" / made.name)
    assert stored_steps(uri) == {"step-00000020", "step-00000040"}


def test_a_mirror_fetches_the_generator_of_a_finished_trial_where_it_is_wanted(
    uri: str, tmp_path: Path
) -> None:
    send(uri, 100)
    mirror = ObjectSweep(uri, tmp_path, "some")
    generator = mirror.root / TRIAL / "checkpoints" / "step-00000100" / checkpoint.GENERATOR
    mirror.refresh()
    assert not generator.exists()
    mirror.refresh("0123abcd", generator=True)
    assert generator.read_bytes() == bytes([100]) * 1000


def test_a_mirror_forgets_what_the_store_no_longer_has(
    uri: str, store: ObjectStore, tmp_path: Path
) -> None:
    send(uri, 100)
    mirror = ObjectSweep(uri, tmp_path, "some")
    mirror.refresh()
    assert checkpoint.newest(mirror.root / TRIAL) is not None
    store.remove_folder(TRIAL)
    mirror.refresh()
    assert checkpoint.newest(mirror.root / TRIAL) is None


SENDS_TWO = f"""
import sys
from tests.support.s3 import make_checkpoint, send, wait_for
from orchestrator.worker.stop_signal import StopSignal
from orchestrator.worker.upload import UploadedTrial
with UploadedTrial(sys.argv[1], "{TRIAL}", "token", StopSignal()) as uploads:
    make_checkpoint(uploads.directory, 20)
    wait_for(lambda: uploads.durable_step == 20)
    make_checkpoint(uploads.directory, 40, 1_000_000)
    wait_for(lambda: False)
"""


def test_an_upload_that_is_killed_half_way_leaves_the_checkpoint_before(
    uri: str, store: ObjectStore, server: Server
) -> None:
    wire = Wire(server.port, b"step-00000040/training")
    slow = f"{uri}?endpoint_override=127.0.0.1:{wire.port}&scheme=http"
    here = str(Path(__file__).parents[2])
    worker = subprocess.Popen([sys.executable, "-c", SENDS_TWO, slow], cwd=here)
    assert wire.held.wait(120)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    wire.close()
    begun = {name for name in store.entries(f"{TRIAL}/checkpoints") if "step-00000040" in name}
    assert begun
    assert stored_steps(uri) == {"step-00000020"}
    assert {name.partition("/")[0] for name in pulled(uri)} == {"step-00000020"}


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
    ObjectStore(uri).write("sweeps/some/trials.json", b"[]")
    result = CliRunner().invoke(main, ["--storage", uri, "status", "same"])
    assert_refused(result, "same", "did you mean 'some'", uri)


def test_train_refuses_a_store(uri: str, workplace: Path) -> None:
    result = CliRunner().invoke(main, ["--storage", uri, "train", "--steps", "1"])
    assert_refused(result, "--storage", "launch")
