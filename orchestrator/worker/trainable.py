"""What Ray Tune runs: one trial, from wherever its directory says it is."""

import time
from typing import Any

import ray
from ray import tune

from orchestrator.worker.process import Died, Nursery
from orchestrator.worker.task import TrialTask

MAX_DEATHS = 20
"""Without a new checkpoint between them; then the trial has failed."""

_nurseries: list[Nursery] = []
"""This worker's, if it has one: it lasts for many trials."""


class NodeIsGoing(Exception):
    """This node will be taken away; a checkpoint is taken."""


def _node_is_going() -> bool:
    """Whether Ray drains this node: a preemption with notice, or ``ray drain-node``."""
    # Ray Train's own watcher for preemptions asks here; there is no public way.
    draining = ray._private.state.state.get_draining_nodes()
    return ray.get_runtime_context().get_node_id() in draining


def run_trial(config: dict[str, Any]) -> None:
    """Train a trial to its end or until it is asked to stop, reporting about once a second.

    The newest sound checkpoint in the trial's directory is where it goes on, be it after a
    killed process, a killed worker or a new launch. What cannot be mended is reported as the
    trial's end; only a death of the worker, or of its node, lets Tune try again.
    """
    task = TrialTask(**config["task"])
    durable = deaths = 0

    def report(progress: dict[str, Any]) -> None:
        nonlocal durable, deaths
        if progress["durable_step"] > durable:
            durable, deaths = progress["durable_step"], 0
        tune.report({"state": "running", **progress})

    while True:
        try:
            state, reason = _nursery(task.threads).train(task, report, _node_is_going)
        except Died as death:
            deaths += 1
            if deaths > MAX_DEATHS:
                state, reason = "failed", f"its process died {deaths} times ({death})"
            else:
                tune.report({"state": "restarting"})
                time.sleep(deaths - 1)
                continue
        if state == "going":
            raise NodeIsGoing  # Tune goes on with the trial on another node
        tune.report({"state": state, "reason": reason})
        return


def _nursery(threads: int) -> Nursery:
    if not (_nurseries and _nurseries[0].alive):
        _nurseries[:] = [Nursery(threads)]
    return _nurseries[0]
