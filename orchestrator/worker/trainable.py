"""Function that Ray Tune runs: one trial, from its newest sound checkpoint."""

import time
from typing import Any

import ray
from ray import tune

from orchestrator.store.events import TrialEvent
from orchestrator.worker.process import Died, TrainingProcess
from orchestrator.worker.run import TrialTask
from reports.phase import TrialPhase

MAX_DEATHS = 20
"""Without a new checkpoint between them; then the trial has failed."""

_process: list[TrainingProcess] = []
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

    Training goes on from the newest sound checkpoint in the trial's directory, be it after a
    killed process, a killed worker or a new launch. A failure that trying again would not mend is
    reported as the trial's end; only a death of the worker, or of its node, lets Tune try again.
    """
    task = TrialTask(**config["task"])
    durable = deaths = 0

    def emit(event: TrialEvent) -> None:
        nonlocal durable, deaths
        if event.progress is not None and event.progress.durable_step > durable:
            durable, deaths = event.progress.durable_step, 0
        tune.report({"event": event})

    while True:
        try:
            ended = _process_of(task).train(task, emit, _node_is_going)
        except Died as death:
            deaths += 1
            if deaths <= MAX_DEATHS:
                emit(TrialEvent(task.key, TrialPhase.RESTARTING))
                time.sleep(deaths - 1)
                continue
            reason = f"its process died {deaths} times ({death})"
            ended = TrialEvent(task.key, TrialPhase.FAILED, reason=reason)
        if ended.phase is TrialPhase.STOPPED and _node_is_going():
            raise NodeIsGoing  # Tune goes on with the trial on another node
        emit(ended)
        return


def _process_of(task: TrialTask) -> TrainingProcess:
    if not (_process and _process[0].is_alive):
        _process[:] = [TrainingProcess(task.threads or 1)]
    return _process[0]
