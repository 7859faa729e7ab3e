"""Checkpoints, each of which is complete or does not exist.

A trial's directory::

    checkpoints/step-00000400/    generator.safetensors, config.json (to load it with),
                                  training.safetensors (to train on), trial.json (step, history)
                                  and manifest.json with the size and SHA-256 of each
    samples/step-00000400.png     the sample grid of each evaluation

Each is written under a temporary name and renamed. It is read by ``read`` and ``newest`` alone,
which return content that they have verified. Loading executes no code.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

GENERATOR = "generator.safetensors"
CONFIG = "config.json"
TRAINING = "training.safetensors"
TRIAL = "trial.json"
MANIFEST = "manifest.json"
FILES = (GENERATOR, CONFIG, TRAINING, TRIAL)
"""Files of a checkpoint, each of which its manifest lists."""
ELSEWHERE = "elsewhere"
"""Mark in the manifest of a mirror: the file is only in the object store."""

RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0)
"""Waits before retries when storage fails temporarily."""
REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
"""Storage errors that a retry does not fix: no space, or no permission."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """Sound checkpoint, with the verified content of the files that were read."""

    path: Path
    files: Mapping[str, bytes]
    """Content by name."""

    @cached_property
    def trial(self) -> dict[str, Any]:
        """Content of trial.json: config, step, metric history, time."""
        content: dict[str, Any] = json.loads(self.files[TRIAL])
        return content


def step_name(step: int) -> str:
    """Name a step such that names sort like steps."""
    return f"step-{step:08d}"


def checkpoints_of(trial: Path) -> Path:
    """Return the directory of a trial's checkpoints."""
    return trial / "checkpoints"


def sample_file(trial: Path, step: int) -> Path:
    """Return the path of a step's sample grid."""
    return trial / "samples" / f"{step_name(step)}.png"


def step_of(sample: str) -> int:
    """Return the step of a sample grid, from its name."""
    return int(Path(sample).stem.removeprefix("step-"))


def write(trial: Path, step: int, files: Mapping[str, bytes]) -> Path:
    """Write one checkpoint atomically and flush it to disk.

    Raises:
        OSError: the disk is full or refuses; nothing left behind counts as a checkpoint.
    """
    root = checkpoints_of(trial)
    target = root / step_name(step)
    temporary = root / f".{target.name}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        manifest = {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        }
        for name, content in {**files, MANIFEST: json.dumps(manifest).encode()}.items():
            _write_through(temporary / name, content)
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
        log.debug("%s: written, %d bytes", target, sum(map(len, files.values())))
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return target


def copy(source: Path, trial: Path) -> bool:
    """Copy a checkpoint to another trial's directory, atomically; return whether it is sound.

    Every byte is verified. The files are hard links where possible: a checkpoint is never changed.

    Raises:
        OSError: the disk is full or refuses; nothing left behind counts as a checkpoint.
    """
    root = checkpoints_of(trial)
    target = root / source.name
    temporary = root / f".{target.name}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for name in (*FILES, MANIFEST):
            link(source / name, temporary / name)
        if read(temporary) is None:
            return False
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
    except FileNotFoundError:  # removed meanwhile
        return False
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True


def link(source: Path, target: Path) -> None:
    """Give a complete file another name: by a hard link, or a copy where there can be none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without hard links
        write_file(target, source.read_bytes(), durable=True)


def write_file(
    path: Path, content: bytes, *, durable: bool = False, mode: int | None = None
) -> None:
    """Write one file atomically; ``durable`` also syncs it to disk, against power failures.

    ``mode`` has the permissions of the file; by default those of any new file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if mode is not None:
            temporary.touch(mode=0o600)
        if durable:
            _write_through(temporary, content)
        else:
            temporary.write_bytes(content)
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def persist(write: Callable[[], object], target: Path) -> None:
    """Call ``write``, with retries when storage fails temporarily.

    Raises:
        TrainingError: the write is refused, or fails for longer than ``RETRY_SECONDS``.
    """
    for pause in (*RETRY_SECONDS, None):
        try:
            write()
        except OSError as error:
            if pause is None or error.errno in REFUSED:
                raise TrainingError(
                    f"{target}: cannot be written ({error.strerror}); the checkpoint before is "
                    "kept; launch again once storage can be used"
                ) from None
            log.warning("%s: cannot be written (%s); retrying in %g s", target, error, pause)
            time.sleep(pause)
        else:
            return


def _steps(trial: Path) -> list[tuple[int, Path]]:
    """Return step and path of every checkpoint, sound or not, newest first."""
    root = checkpoints_of(trial)
    found = [(p.name.removeprefix("step-"), p) for p in root.glob("step-*")]
    return sorted(((int(n), p) for n, p in found if n.isdecimal()), reverse=True)


def read(path: Path, *names: str) -> Checkpoint | None:
    """Read files of a checkpoint, by default all; return None unless the checkpoint is sound.

    In a sound checkpoint the manifest lists all ``FILES``, every file has the size given there, and
    each file that is read has its digest. A mirror lacks the files that its manifest marks as
    ``ELSEWHERE``; they are left out.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        if not manifest.keys() >= {*FILES}:
            return None
        here = {name: entry for name, entry in manifest.items() if ELSEWHERE not in entry}
        if any((path / name).stat().st_size != entry["bytes"] for name, entry in here.items()):
            return None
        files = {name: (path / name).read_bytes() for name in names or FILES if name in here}
        for name, content in files.items():
            if hashlib.sha256(content).hexdigest() != here[name]["sha256"]:
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Checkpoint(path, files)


def newest(trial: Path, *names: str) -> Checkpoint | None:
    """Read files of a trial's newest sound checkpoint (``read``); a warning tells of skipped ones.

    A file that is not read is judged by its size, so name all that are needed: with no names, every
    byte of the checkpoint is verified.
    """
    for _, path in _steps(trial):
        if (found := read(path, *names)) is not None:
            log.debug("newest sound checkpoint: %s", path)
            return found
        _tell_damaged(path)
    return None


@cache
def _tell_damaged(path: Path) -> None:
    """Warn about a damaged checkpoint, once per process."""
    log.warning("skipped a damaged checkpoint: %s", path)


def prune(trial: Path, keep: int) -> None:
    """Remove all but the newest ``keep`` sound checkpoints, and the remains of dead processes.

    The newest is verified byte by byte before any older one is removed.
    """
    kept = 0
    for _, path in _steps(trial):
        names = () if kept == 0 else (TRIAL,)
        if kept >= keep or read(path, *names) is None:
            shutil.rmtree(path, ignore_errors=True)
        else:
            kept += 1
    for leftover in checkpoints_of(trial).glob(".step-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def pack(tensors: "Mapping[str, Tensor]") -> bytes:
    """Serialise tensors as safetensors."""
    # Importing torch takes seconds, and inspecting checkpoints does not need it.
    import safetensors.torch

    return safetensors.torch.save(
        {name: t.detach().to("cpu").contiguous() for name, t in tensors.items()}
    )


def unpack(content: bytes) -> "dict[str, Tensor]":
    """Deserialise the output of ``pack``, without executing code."""
    import safetensors.torch

    tensors: dict[str, Tensor] = safetensors.torch.load(content)
    return tensors
