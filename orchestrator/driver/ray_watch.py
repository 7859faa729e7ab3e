"""Watch over Ray Tune, which waits for ever when Ray's processes have died."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress

import ray

from orchestrator.driver.monitor import Monitor

LOOK_SECONDS = 0.5
NODE_PATIENCE = 20.0
"""Seconds without word that this launch's node lives; Ray needs 15 more to see that it is dead."""
PAUSE_ROUNDS = 10
"""Rounds of looking that one takes at least if this process itself was paused, as by Ctrl-Z."""
STOP_PATIENCE = 10.0
"""Seconds after a stop request in which no process trains."""


def watched(
    fit: Callable[[], object], is_asked_to_stop: Callable[[], bool], monitor: Monitor
) -> str:
    """Run Tune's ``fit`` to its end, or as long as it can end; return why it cannot.

    It cannot when this launch's node of Ray is dead or Ray does not answer; and it need not when
    nothing trains after a stop request, while Tune waits for a node or a worker.
    """
    # Calls of Ray may never return, and the main thread has to stay free for signals.
    tuned: Future[object] = Future()
    node = _Node()

    def run() -> None:
        try:
            tuned.set_result(fit())
        except BaseException as error:  # raised again by ``result`` in the main thread
            tuned.set_exception(error)

    threading.Thread(target=run, name="Tune", daemon=True).start()
    now = active = time.monotonic()
    try:
        while not wait([tuned], LOOK_SECONDS).done:
            before, now = now, time.monotonic()
            if now - before > PAUSE_ROUNDS * LOOK_SECONDS:
                node.seen = active = now  # neither Ray nor a worker could have been heard
            if monitor.is_training or not is_asked_to_stop():
                active = now
            if now > node.seen + NODE_PATIENCE:
                return "Ray has died on this machine"
            if now > active + STOP_PATIENCE:
                return "Nothing trains any more"
    finally:
        node.close()
    tuned.result()
    return ""


class _Node:
    """Thread that asks Ray whether this launch's node lives."""

    def __init__(self) -> None:
        self.seen = time.monotonic()
        """Time of Ray's last word that it does."""
        self._id = ray.get_runtime_context().get_node_id()
        self._closing = threading.Event()
        threading.Thread(target=self._run, name="node", daemon=True).start()

    def _run(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            with suppress(Exception):  # whatever a Ray that is gone raises
                nodes = ray.nodes()  # type: ignore[no-untyped-call]
                if any(node["Alive"] and node["NodeID"] == self._id for node in nodes):
                    self.seen = time.monotonic()

    def close(self) -> None:
        self._closing.set()
