"""One launch at a time for a sweep in an object store."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from gan.errors import UserError
from orchestrator.store import lease as leases
from orchestrator.store.lease import Lease, LeaseWatch, hold_lease, live_lease, read_lease
from orchestrator.store.object_store import ObjectStore
from tests.support.s3 import wait_for

SWEEP = "sweeps/some"
ELSEWHERE = Lease("elsewhere", 7, "2026-01-01 10:00:00", "token")


@pytest.fixture
def store(uri: str, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """With a clock ten times as fast."""
    for name in ("BEAT_SECONDS", "DEAD_SECONDS", "SETTLE_SECONDS", "POLL_SECONDS"):
        monkeypatch.setattr(leases, name, getattr(leases, name) / 10)
    return ObjectStore(uri)


def write(store: ObjectStore, lease: Lease) -> None:
    store.write(f"{SWEEP}/claim.json", json.dumps(asdict(lease)).encode())


def silent(_: str) -> None:
    pass


def test_a_second_launch_is_refused_while_the_first_lives(store: ObjectStore) -> None:
    with hold_lease(store, SWEEP, "some is launched", silent):
        here = f"process {os.getpid()} on {socket.gethostname()}"
        with (
            pytest.raises(UserError, match=f"some is launched already: {here}, since 20"),
            hold_lease(store, SWEEP, "some is launched", silent),
        ):
            pass
        assert live_lease(store, SWEEP) is not None
    assert live_lease(store, SWEEP) is None


def test_a_lease_that_ended_is_free_at_once(store: ObjectStore) -> None:
    with hold_lease(store, SWEEP, "some", silent):
        pass
    said: list[str] = []
    with hold_lease(store, SWEEP, "some", said.append):
        assert said == []


def test_the_lease_of_a_dead_process_of_this_machine_is_free_at_once(store: ObjectStore) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    write(store, replace(ELSEWHERE, machine=leases.this_machine(), process=dead.pid))
    said: list[str] = []
    with hold_lease(store, SWEEP, "some", said.append) as token:
        assert said == []
        found = read_lease(store, SWEEP)
        assert found is not None
        assert found.token == token


def test_a_machine_of_the_same_name_is_another(store: ObjectStore) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = socket.gethostname()
    write(store, replace(ELSEWHERE, host=host, machine=f"{host} other", process=dead.pid))
    start = time.monotonic()
    assert live_lease(store, SWEEP) is None
    assert time.monotonic() - start >= leases.DEAD_SECONDS


def test_a_lease_that_is_not_refreshed_is_taken_over(store: ObjectStore) -> None:
    write(store, ELSEWHERE)
    said: list[str] = []
    start = time.monotonic()
    with hold_lease(store, SWEEP, "some", said.append):
        assert time.monotonic() - start >= leases.DEAD_SECONDS
        assert "process 7 on elsewhere" in said[0]


def test_a_launch_that_was_taken_over_does_not_take_it_back(store: ObjectStore) -> None:
    with hold_lease(store, SWEEP, "some", silent) as token:
        first = read_lease(store, SWEEP)
        wait_for(lambda: read_lease(store, SWEEP) != first)  # it shows that it lives
        write(store, ELSEWHERE)
        time.sleep(3 * leases.BEAT_SECONDS)
    found = read_lease(store, SWEEP)
    assert found == ELSEWHERE
    assert token != ELSEWHERE.token


def test_a_watch_tells_in_one_look_whether_a_launch_lives(store: ObjectStore) -> None:
    watch = LeaseWatch(store, SWEEP)
    assert not watch.is_live()
    with hold_lease(store, SWEEP, "some is launched", silent):
        until = time.monotonic() + 1.5 * leases.DEAD_SECONDS
        while time.monotonic() < until:
            assert watch.is_live()
            time.sleep(leases.POLL_SECONDS)
    assert not watch.is_live(), "it has ended"


def test_a_watch_sees_a_launch_die(store: ObjectStore) -> None:
    write(store, ELSEWHERE)
    watch = LeaseWatch(store, SWEEP)
    began = time.monotonic()
    assert watch.is_live(), "it may live"
    assert time.monotonic() - began < leases.DEAD_SECONDS
    wait_for(lambda: not watch.is_live())
    assert time.monotonic() - began >= leases.DEAD_SECONDS
