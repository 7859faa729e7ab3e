"""Watch over Ray Tune, which waits for ever when Ray's processes have died."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any

import ray

from orchestrator.driver.monitor import Monitor
from orchestrator.driver.ray_cluster import Cluster

LOOK_SECONDS = 0.5
NODE_PATIENCE = 20.0
"""Seconds without word that this launch's node lives; Ray needs 15 more to see that it is dead."""
PAUSE_ROUNDS = 10
"""Rounds of looking that one takes at least if this process itself was paused, as by Ctrl-Z."""
STOP_PATIENCE = 10.0
"""Seconds after a stop request in which no process trains."""
CLOSE_SECONDS = 5.0
"""Time for Ray's answer to the last question, should Ray be dead."""
WAIT_SECONDS = 30.0
"""Seconds without a worker after which the launch says what it waits for, and looks again."""


def watched(
    fit: Callable[[], object],
    is_asked_to_stop: Callable[[], bool],
    monitor: Monitor,
    cluster: Cluster | None,
    share: Mapping[str, float],
) -> str:
    """Run Tune's ``fit`` to its end, or as long as it can end; return why it cannot.

    It cannot when this launch's node of Ray is dead or Ray does not answer; and it need not when
    nothing trains after a stop request, while Tune waits for a node or a worker. ``share`` has the
    numbers of CPUs and GPUs that a trial waits for.
    """
    # Calls of Ray may never return, and the main thread has to stay free for signals.
    tuned: Future[object] = Future()

    def run() -> None:
        try:
            tuned.set_result(fit())
        except BaseException as error:  # raised again by ``result`` in the main thread
            tuned.set_exception(error)

    tune = threading.Thread(target=run, name="Tune", daemon=True)
    tune.start()
    nodes = _Nodes(monitor.view.say)
    now = active = has_worker = time.monotonic()
    try:
        while not wait([tuned], LOOK_SECONDS).done:
            before, now = now, time.monotonic()
            if now - before > PAUSE_ROUNDS * LOOK_SECONDS:
                # Neither Ray nor a worker could have been heard.
                nodes.answered = nodes.seen = active = has_worker = now
            if monitor.is_training or not is_asked_to_stop():
                active = now
            if monitor.has_worker:
                has_worker = now
                monitor.waits("")
            elif now > has_worker + WAIT_SECONDS:
                has_worker = now  # looked at again later: others may have taken or left something
                nodes.before_next_look(lambda: monitor.waits(waits_for(share)))
            if cluster is not None and now > nodes.answered + NODE_PATIENCE:
                return f"The Ray cluster at {cluster.address} does not answer"
            if now > nodes.seen + NODE_PATIENCE:
                return "Ray has died on this machine"
            if now > active + STOP_PATIENCE:
                return "Nothing trains any more"
    finally:
        nodes.close()
    # Its last references to actors have to go before Ray does, which would end this process.
    tune.join()
    tuned.result()
    return ""


def waits_for(share: Mapping[str, float]) -> str:
    """Return what a trial waits for, in words; empty if a worker of this launch is starting."""
    job = ray.get_runtime_context().get_job_id()
    actors: dict[str, dict[str, Any]] = ray._private.state.actors()
    if any(a["JobID"] == job and a["State"] != "DEAD" for a in actors.values()):
        return ""  # Tune asks for a worker only when it has got the share
    has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    per_node = ray._private.state.available_resources_per_node()  # type: ignore[no-untyped-call]
    free: list[dict[str, float]] = [*per_node.values()]
    wanted = {kind: share[kind.lower()] for kind in ("GPU", "CPU") if share[kind.lower()]}
    lacking = (k for k, n in wanted.items() if not any(node.get(k, 0) >= n for node in free))
    kind = next(lacking, "CPU")
    line = f"waiting for {wanted[kind]:g} {kind}{'s' * (wanted[kind] != 1)}"
    if not (all_of := has.get(kind, 0)):
        return f"{line}; no node has one yet"
    left = sum(node.get(kind, 0) for node in free)
    used = f"{all_of - left:g} of {all_of:g} are in use by others"
    return f"{line}; {used}" if left < wanted[kind] else f"{line} on one node; {used}"


class _Nodes:
    """Thread that asks Ray whether this launch's node lives, and says when another has gone."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.answered = self.seen = time.monotonic()
        """Times of Ray's last answer, and of its last word that the node lives."""
        self._alive: dict[str, str] = {}
        """Names of the nodes that lived at the last look, by id."""
        self._id = ray.get_runtime_context().get_node_id()
        self._next: list[Callable[[], None]] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="node", daemon=True)
        self._thread.start()

    def before_next_look(self, act: Callable[[], None]) -> None:
        """Have this thread, which may wait for Ray for ever, do something once."""
        self._next.append(act)

    def _run(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            with suppress(Exception):  # whatever a Ray that is gone raises
                while self._next:
                    self._next.pop()()
                nodes = ray.nodes()  # type: ignore[no-untyped-call]
                self.answered = time.monotonic()
                alive = {n["NodeID"]: n["NodeName"] for n in nodes if n["Alive"]}
                if self._id in alive:
                    self.seen = self.answered
                for gone in self._alive.keys() - alive.keys() - {self._id}:
                    at = time.strftime("%H:%M:%S")
                    self._say(
                        f"{at}  node {self._alive[gone]} has left; its trials restart elsewhere"
                    )
                self._alive = alive

    def close(self) -> None:
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)
