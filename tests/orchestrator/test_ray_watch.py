"""Watch over a Ray that is played: it lives, or it has died."""

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import sys, time, types
import ray
from orchestrator.driver import ray_watch
node = {"Alive": sys.argv[1] == "lives", "NodeID": "this"}
ray.nodes = lambda: [time.sleep(0.05) for _ in range(10)] and [node]  # an answer takes a while
ray.get_runtime_context = lambda: types.SimpleNamespace(get_node_id=lambda: "this")
ray_watch.LOOK_SECONDS, ray_watch.NODE_PATIENCE, ray_watch.STOP_PATIENCE = 0.05, 2.0, 2.0
training = types.SimpleNamespace(is_training=False, has_worker=True)

def fit():
    print("begun", flush=True)
    time.sleep(6)

stop = sys.argv[2] == "stop"
print(ray_watch.watched(fit, lambda: stop, training, None, {"cpu": 1, "gpu": 0}) or "ended")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ray", "asked", "said"),
    [
        ("lives", "go on", "ended"),
        ("has died", "go on", "Ray has died on this machine"),
        ("lives", "stop", "Nothing trains any more"),
    ],
)
def test_a_launch_that_was_paused_for_longer_than_its_patience_goes_on(
    ray: str, asked: str, said: str
) -> None:
    command = [sys.executable, "-c", PROGRAM, ray, asked]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launch:
        assert launch.stdout is not None
        assert launch.stdout.readline() == "begun\n"
        time.sleep(0.3)
        os.kill(launch.pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(launch.pid, signal.SIGCONT)
        resumed = time.monotonic()
        assert launch.stdout.readline() == f"{said}\n"
        assert time.monotonic() - resumed > 1, "its patience begins anew"
