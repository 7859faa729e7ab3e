import hashlib
import json
import logging
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from gan import checkpoint

ROOT = Path(__file__).parents[2]
FILES = {
    "generator.safetensors": bytes(range(256)) * 40,
    "config.json": b"{}",
    "training.safetensors": bytes(9_000),
    "trial.json": b'{"step": 0}',
}


def newest(trial: Path, *names: str) -> Path | None:
    """The directory of the newest checkpoint."""
    found = checkpoint.newest(trial, *names)
    return None if found is None else found.path


def listing(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir())


def contents(directory: Path) -> Mapping[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.iterdir()}


def run(code: str, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT)


def truncate(path: Path) -> None:
    file = path / "generator.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    file = path / "generator.safetensors"
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    file.write_bytes(content)


def lose_a_file(path: Path) -> None:
    (path / "trial.json").unlink()


def lose_the_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


def tear_the_manifest(path: Path) -> None:
    file = path / "manifest.json"
    file.write_bytes(file.read_bytes()[:50])


def empty_everything(path: Path) -> None:
    for file in path.iterdir():
        file.write_bytes(b"")


def test_a_checkpoint_holds_its_files_and_a_manifest_of_sizes_and_digests(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path, 400, FILES)
    assert path == tmp_path / "checkpoints" / "step-00000400"
    found = dict(contents(path))
    manifest = json.loads(found.pop("manifest.json"))
    assert found == FILES
    assert manifest == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in FILES.items()
    }


def test_names_of_steps_sort_like_steps() -> None:
    steps = [0, 9, 10, 99, 100, 99_999_999]
    assert sorted(map(checkpoint.step_name, steps)) == [checkpoint.step_name(s) for s in steps]


def test_the_newest_is_that_of_the_highest_step_in_whatever_order_written(tmp_path: Path) -> None:
    for step in (5, 1000, 40):
        checkpoint.write(tmp_path, step, FILES)
    assert newest(tmp_path) == tmp_path / "checkpoints" / "step-00001000"


def test_a_trial_without_checkpoints_has_no_newest(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    assert newest(tmp_path / "nowhere") is None


def test_a_step_written_again_is_replaced(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, 5, {"old.bin": b"old"})
    path = checkpoint.write(tmp_path, 5, FILES)
    assert listing(path) == sorted(["manifest.json", *FILES])
    assert newest(tmp_path) == path


@pytest.mark.parametrize(
    "damage",
    [truncate, flip_a_bit, lose_a_file, lose_the_manifest, tear_the_manifest, empty_everything],
)
def test_a_damaged_newest_checkpoint_is_skipped_with_a_warning_for_the_one_before(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    sound = checkpoint.write(tmp_path, 1, FILES)
    damaged = checkpoint.write(tmp_path, 2, FILES)
    damage(damaged)
    with caplog.at_level(logging.WARNING):
        assert newest(tmp_path) == sound
    assert [str(damaged) in record.getMessage() for record in caplog.records] == [True]


def test_no_sound_checkpoint_is_none_at_all(tmp_path: Path) -> None:
    for step in (1, 2):
        lose_the_manifest(checkpoint.write(tmp_path, step, FILES))
    assert newest(tmp_path) is None


def test_what_is_read_is_verified_byte_by_byte_and_the_rest_by_its_size(tmp_path: Path) -> None:
    first = checkpoint.write(tmp_path, 1, FILES)
    altered = checkpoint.write(tmp_path, 2, FILES)
    flip_a_bit(altered)
    found = checkpoint.newest(tmp_path, "trial.json")
    assert found is not None
    assert (found.path, found.files) == (altered, {"trial.json": FILES["trial.json"]})
    assert newest(tmp_path, "generator.safetensors") == first
    truncate(altered)
    assert newest(tmp_path, "trial.json") == first


@pytest.mark.parametrize("listed", [[], ["trial.json"], [*FILES][:-1]])
def test_a_manifest_that_lists_too_few_files_is_no_manifest(
    tmp_path: Path, listed: list[str]
) -> None:
    first = checkpoint.write(tmp_path, 1, FILES)
    file = checkpoint.write(tmp_path, 2, FILES) / "manifest.json"
    manifest = json.loads(file.read_bytes())
    file.write_text(json.dumps({name: manifest[name] for name in listed}))
    assert newest(tmp_path) == newest(tmp_path, "trial.json") == first


@pytest.mark.parametrize("name", ["step-00000002.bak", "step-00000002 (copy)", "step-last"])
def test_a_directory_that_somebody_put_there_is_no_checkpoint(tmp_path: Path, name: str) -> None:
    path = checkpoint.write(tmp_path, 1, FILES)
    (path.parent / name).mkdir()
    assert newest(tmp_path) == path
    checkpoint.prune(tmp_path, keep=1)
    assert newest(tmp_path) == path


def test_pruning_keeps_the_newest_sound_ones(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        checkpoint.write(tmp_path, step, FILES)
    truncate(tmp_path / "checkpoints" / "step-00000003")
    checkpoint.prune(tmp_path, keep=2)
    assert listing(tmp_path / "checkpoints") == ["step-00000002", "step-00000004"]


def test_pruning_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, 1, FILES)
    leftover = tmp_path / "checkpoints" / ".step-00000002.1"
    leftover.mkdir()
    (leftover / "generator.safetensors").write_bytes(b"half")
    assert newest(tmp_path) == tmp_path / "checkpoints" / "step-00000001"
    checkpoint.prune(tmp_path, keep=2)
    assert listing(tmp_path / "checkpoints") == ["step-00000001"]


# A limit on the size of files is a full disk as far as a write can tell: OSError midway.
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from gan import checkpoint

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
trial, large = Path(sys.argv[1]), b"2" * 20_000
try:
    if sys.argv[2] == "grid":
        checkpoint.write_file(trial / "samples" / "grid.png", large)
    else:
        checkpoint.write(trial, int(sys.argv[2]), {"a.bin": b"1" * 1_000, "b.bin": large})
except OSError:
    sys.exit(7)
"""


@pytest.mark.parametrize("step", ["1", "2"])
def test_a_checkpoint_that_fails_midway_leaves_the_old_and_nothing_else(
    tmp_path: Path, step: str
) -> None:
    old = checkpoint.write(tmp_path, 1, FILES)
    before = contents(old)
    assert run(FULL_DISK, str(tmp_path), step).wait() == 7
    assert newest(tmp_path) == old
    assert contents(old) == before
    assert listing(tmp_path / "checkpoints") == [old.name]


def test_a_file_that_fails_midway_leaves_the_old_and_nothing_else(tmp_path: Path) -> None:
    checkpoint.write_file(tmp_path / "samples" / "grid.png", b"old")
    assert run(FULL_DISK, str(tmp_path), "grid").wait() == 7
    assert contents(tmp_path / "samples") == {"grid.png": b"old"}


# Each checkpoint's files tell its step, so that a mixture of two would show.
WRITE_ON = """
import sys
from pathlib import Path
from gan import checkpoint

trial = Path(sys.argv[1])
found = checkpoint.newest(trial)
step = int(found.path.name.removeprefix("step-")) if found else 0
while True:
    step += 1
    content = str(step).encode() * 50_000
    checkpoint.write(trial, step, {name: content for name in checkpoint.FILES})
    checkpoint.prune(trial, 2)
"""


def test_a_process_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    moments = random.Random(0)
    before = 0
    for _ in range(12):
        process = run(WRITE_ON, str(tmp_path))
        try:
            while (found := newest(tmp_path, "trial.json")) is None or (
                int(found.name.removeprefix("step-")) <= before
            ):
                assert process.poll() is None
                time.sleep(0.005)
            time.sleep(moments.uniform(0, 0.1))
        finally:
            process.kill()
            process.wait()
        whole = newest(tmp_path)
        assert whole is not None
        step = int(whole.name.removeprefix("step-"))
        assert step > before
        for name in checkpoint.FILES:
            assert (whole / name).read_bytes() == str(step).encode() * 50_000
        before = step
    checkpoint.prune(tmp_path, keep=2)
    assert len(listing(tmp_path / "checkpoints")) <= 2


def test_packed_tensors_come_back_bit_for_bit() -> None:
    tensors = {
        "weights": torch.arange(48.0).reshape(4, 3, 2, 2).to(memory_format=torch.channels_last),
        "half": torch.tensor([1.5, float("nan"), -0.0]).bfloat16(),
        "step": torch.tensor(7.0),
        "count": torch.tensor(2**40),
    }
    unpacked = checkpoint.unpack(checkpoint.pack(tensors))
    assert unpacked.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert unpacked[name].dtype == tensor.dtype
        assert torch.equal(unpacked[name].nan_to_num(99), tensor.nan_to_num(99))
