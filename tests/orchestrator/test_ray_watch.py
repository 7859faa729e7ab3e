"""Watch over a Ray that is played: it lives, or it has died."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

PROGRAM = """
import os, sys, time, types
import ray
from orchestrator.driver import ray_watch
node = {"Alive": sys.argv[1] == "lives", "NodeID": "this", "NodeName": "here"}
ray.nodes = lambda: [time.sleep(0.05) for _ in range(10)] and [node]  # an answer takes a while
ray.get_runtime_context = lambda: types.SimpleNamespace(get_node_id=lambda: "this")
ray_watch.LOOK_SECONDS, ray_watch.NODE_PATIENCE, ray_watch.STOP_PATIENCE = 0.05, 2.0, 2.0
view = types.SimpleNamespace(say=print)
training = types.SimpleNamespace(
    is_training=False, has_worker=True, view=view, waits=lambda line: None
)

def fit():
    print("begun", flush=True)
    os.read(0, 1)  # for as long as the test wants it

stop = sys.argv[2] == "stop"
print(ray_watch.watched(fit, lambda: stop, training, None, {"cpu": 1, "gpu": 0}) or "ended")
"""


ENDS = {
    ("lives", "go on"): "ended",
    ("has died", "go on"): "Ray has died on this machine",
    ("lives", "stop"): "Nothing trains any more",
}


@pytest.fixture(scope="module")
def resumed() -> dict[tuple[str, str], tuple[str, float]]:
    """What each launch said after a pause of 3 s, and the seconds until then."""
    launches = {
        case: subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *case],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for case in ENDS
    }
    with ThreadPoolExecutor() as threads:
        return dict(zip(launches, threads.map(_paused, launches, launches.values()), strict=True))


def _paused(case: tuple[str, str], launch: subprocess.Popen[str]) -> tuple[str, float]:
    with launch:
        assert launch.stdin is not None
        assert launch.stdout is not None
        assert launch.stdout.readline() == "begun\n"
        time.sleep(0.3)
        os.kill(launch.pid, signal.SIGSTOP)
        time.sleep(3)
        since = time.monotonic()
        os.kill(launch.pid, signal.SIGCONT)
        if ENDS[case] == "ended":
            time.sleep(2.7)  # longer than its patience
            launch.stdin.write("\n")
            launch.stdin.flush()
        return launch.stdout.readline().rstrip(), time.monotonic() - since


@pytest.mark.slow
@pytest.mark.parametrize("case", ENDS)
def test_a_launch_that_was_paused_for_longer_than_its_patience_goes_on(
    resumed: dict[tuple[str, str], tuple[str, float]], case: tuple[str, str]
) -> None:
    said, seconds = resumed[case]
    assert said == ENDS[case]
    assert seconds > 1, "its patience begins anew"
