import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from gan.errors import UserError
from orchestrator.store.lock import is_locked, lock
from orchestrator.store.paths import LOCK

HOLD = """
import sys, time
from pathlib import Path
from unittest.mock import Mock
from orchestrator.store.lock import lock
with lock(Path(sys.argv[1]), "it is done"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def held(directory: Path, seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the directory."""
    command = [sys.executable, "-c", HOLD, str(directory), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_with_the_firsts_host_process_and_start(
    tmp_path: Path,
) -> None:
    with held(tmp_path) as process:
        assert is_locked(tmp_path)
        with pytest.raises(UserError) as refused, lock(tmp_path, "it is done", patience=0):
            pass
    line = str(refused.value)
    today = time.strftime("%Y-%m-%d")
    assert line.startswith(f"it is done already: process {process.pid} on {socket.gethostname()}")
    assert re.search(rf"since {today} \d\d:\d\d:\d\d [+-]\d{{4}}$", line)


def test_the_lock_of_a_killed_process_is_dead_at_once(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not is_locked(tmp_path)
        with lock(tmp_path, "it is done", patience=0):
            assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_a_child_of_the_holder_does_not_hold_on(
    tmp_path: Path,
) -> None:
    # A child that goes on, as Ray's do for a moment, must not hold what its dead parent held.
    with lock(tmp_path, "it is done"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        assert not is_locked(tmp_path)
    finally:
        child.kill()
        child.wait()


def test_one_waits_for_a_holder_that_ends_in_time(tmp_path: Path) -> None:
    with held(tmp_path, seconds=1.5), lock(tmp_path, "it is done", patience=30):
        pass


def test_a_directory_that_nobody_ever_held_is_free(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)


def test_a_file_system_without_locks_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / LOCK).touch()
    for code in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
        # As flock answers there; none can be mounted in a test.
        monkeypatch.setattr("fcntl.flock", Mock(side_effect=OSError(code, os.strerror(code))))
        with pytest.raises(UserError) as refused, lock(tmp_path, "it is done"):
            pass
        line = f"{tmp_path}: its file system has no locks ({os.strerror(code)}); use one that has"
        assert str(refused.value).startswith(line)
        assert is_locked(tmp_path) is None, "no lock can tell"
