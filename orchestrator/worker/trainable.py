"""Function that Ray Tune runs for one trial, from its newest sound checkpoint."""

import time
from types import SimpleNamespace
from typing import Any

import ray
from ray import tune
from ray.tune.trainable import wrap_function

from orchestrator.store.events import TrialEvent
from orchestrator.store.trial_state import MAX_DEATHS
from orchestrator.worker.gauges import TrialGauges
from orchestrator.worker.process import Died, TrainingProcess
from orchestrator.worker.run import TrialTask
from reports.phase import TrialPhase

_process: list[TrainingProcess] = []
"""Training process of this worker, if any; it serves many trials."""


class NodeIsGoing(Exception):
    """Notice that this node will be taken away, after a checkpoint."""


def _node_is_going() -> bool:
    """Whether Ray drains this node: a preemption with notice, or ``ray drain-node``."""
    # Ray Train's own preemption watcher calls this; there is no public function.
    draining = ray._private.state.state.get_draining_nodes()
    return ray.get_runtime_context().get_node_id() in draining


def trainable(
    sweep: str, share: dict[str, float], storage: str | None, expected: str = ""
) -> type[tune.Trainable]:
    """Return the class of the actors that train, which import ``run_trial`` on the worker.

    Ray's list of actors and its titles of processes name ``sweep``, as an actor trains many trials.
    Each takes a ``share`` of its node, by Ray's names. Ray sends a function within a function
    whole, and with it ``storage``, the URI of the object store, if any: of a trial's config Tune
    writes a record that every user of the machine can read. If the import fails there, or the node
    has another colorsweep than ``expected``, the trial fails in one line, with an event of plain
    values; of ``run_trial`` itself Ray would make a death of the worker, and Tune would try again.
    """

    def train(config: dict[str, Any]) -> None:
        reason = ""
        try:
            from orchestrator.worker.installed import installed
            from orchestrator.worker.trainable import run_trial

            if expected and (found := installed()) != expected:
                reason = f"the node has colorsweep {found}, the launch {expected}; install the same"
        except Exception as error:  # a module of that name may do anything
            reason = f"the node cannot import colorsweep ({type(error).__name__}: {error})"
        if reason:
            failed = {"phase": "failed", "progress": None, "reason": reason}
            event = SimpleNamespace(key=config["task"]["key"], **failed)
            tune.report({"event": event, "done": True})
        else:
            run_trial(config, storage)

    train.__name__ = sweep
    actor: type[tune.Trainable] = tune.with_resources(wrap_function(train), share)
    actor.__name__ = actor.__qualname__ = f"colorsweep {sweep}"
    return actor


def run_trial(config: dict[str, Any], storage: str | None) -> None:
    """Train a trial until it ends or is asked to stop, reporting about once a second.

    Training resumes from the newest sound checkpoint in the trial's directory, whether a process or
    a worker was killed or the launch is new. A failure that a retry would not fix is reported as
    the trial's end; only a death of the worker, or of its node, makes Tune try again.
    """
    task = TrialTask(**config["task"] | {"storage": storage})
    gauges = TrialGauges(task)
    durable = deaths = 0

    def emit(event: TrialEvent) -> None:
        nonlocal durable, deaths
        if event.progress is not None:
            gauges.show(event.progress)
            if event.progress.durable_step > durable:
                durable, deaths = event.progress.durable_step, 0
        # Without *done* Tune would ask for another report, to learn that there is none.
        tune.report({"event": event, "done": not event.phase.is_active})

    def should_stop() -> bool:
        gauges.keep()  # asked once a second, in long evaluations too
        return _node_is_going()

    while True:
        try:
            ended = _process_of(task).train(task, emit, should_stop)
        except Died as death:
            deaths += 1
            if deaths <= MAX_DEATHS:
                emit(TrialEvent(task.key, TrialPhase.RESTARTING))
                time.sleep(deaths - 1)
                emit(TrialEvent(task.key, TrialPhase.STARTING))
                continue
            reason = f"its process died {deaths} times ({death})"
            ended = TrialEvent(task.key, TrialPhase.DIED, reason=reason)
        if ended.phase is TrialPhase.STOPPED and _node_is_going():
            raise NodeIsGoing  # Tune resumes the trial on another node
        emit(ended)
        return


def _process_of(task: TrialTask) -> TrainingProcess:
    if not (_process and _process[0].is_alive):
        _process[:] = [TrainingProcess(task.threads or 1)]
    return _process[0]
