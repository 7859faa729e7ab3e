"""Writing to the tracking store: a sweep is an experiment, a trial a run, found by its key.

A run reflects the trial's newest checkpoint. Only data in a checkpoint is sent, so that a restart
never undoes anything sent; each point keeps the time at which it was first made, and the run's
tag ``colorsweep.step`` holds the last step sent. So a repeated transfer changes nothing, and the
next one makes up for a missed one. A trial that is trained anew gets a new run.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag

from gan import checkpoint
from gan.config import TrainConfig
from gan.errors import UserError
from gan.plain_text import first_line
from reports.experiments import Claim, Client, claim_experiment, require_own
from reports.generator_files import GENERATOR, with_sums
from reports.lineage import Lineage
from reports.newest import is_of_last_step, unsent_points
from reports.phase import TrialPhase
from reports.provenance import commit_tags, dataset_input, origin_tags, source_tags
from reports.runs import LEFT_OUT, TrialRun, began_of, own_steps, params_of, tags_of
from reports.store import COMMAND, REPORT, STORE_ERRORS, TRIALS, Launched, connect, search

METRICS_PER_CALL = 800
"""Safe size: beyond 1,000 with params and tags, MLflow splits a call and sends tags first."""


@dataclass(frozen=True)
class RunUpdate:
    """State of a trial, to be written to its run."""

    key: str
    name: str
    """Name for people."""
    index: int
    """Position in the sweep."""
    config: TrainConfig
    """Config as currently requested."""
    directory: Path
    """Directory of the trial, with its checkpoints and samples."""
    phase: TrialPhase
    reason: str = ""
    """Reason for a failure, or for being stopped by a scheduler."""
    restarts: int = 0
    """Number of restarts after deaths."""
    goodput: float | None = None
    """Share of its time on workers that was spent on steps that counted."""
    run_name: str = ""
    """Name of the run in MLflow; that of the trial if empty."""
    lineage: Lineage | None = None
    """Origin, if it was taken over from another sweep."""


class SweepTracker:
    """Writer of one sweep's runs."""

    def __init__(self, uri: str, sweep: str, claim: Claim) -> None:
        """Find or create the sweep's experiment, and read its runs.

        Args:
            uri: URI of the tracking store.
            sweep: name of the sweep.
            claim: claim to the experiment.

        Raises:
            UserError: the store does not answer, the experiment was deleted, or it is of another
                owner.
        """
        self.client = connect(uri, claim.owner)
        try:
            experiment = claim_experiment(self.client, sweep, claim)
            self.experiment = str(experiment.name)
            """Name of the experiment; for a shipped sweep it may differ from the sweep's."""
            self.experiment_id = experiment.experiment_id
            self._runs = {run.key: run for run in search(self.client, self.experiment_id)}
        except STORE_ERRORS as error:
            raise UserError(
                f"MLFLOW_TRACKING_URI: no experiment {sweep!r} ({first_line(error)})"
            ) from None

    def note_launch(self, launch: Launched) -> None:
        """Record how the sweep is launched, for the report.

        Raises:
            UserError: the store does not answer.
        """
        try:
            for tag, value in ((COMMAND, launch.command), (TRIALS, launch.trials)):
                self.client.set_experiment_tag(self.experiment_id, tag, str(value))
        except STORE_ERRORS as error:
            raise UserError(
                f"MLFLOW_TRACKING_URI: cannot be written ({first_line(error)})"
            ) from None

    def run_of(self, key: str) -> TrialRun | None:
        """Return the last written state of a trial, if any."""
        return self._runs.get(key)

    def runs(self) -> list[TrialRun]:
        """Return the last written state of every trial that the sweep ever had."""
        return list(self._runs.values())

    def leave_out(self, key: str, run_name: str = "") -> None:
        """Record that the sweep no longer has a trial, now named so, and that nothing trains it.

        Raises:
            One of STORE_ERRORS: the store failed; repeat the call later to continue.
        """
        before = self._runs[key]
        phase = TrialPhase.STOPPED if before.phase.is_active else before.phase
        wanted = replace(before, index=LEFT_OUT, phase=phase, status=phase.run_status)
        wanted = replace(wanted, run_name=run_name or before.run_name)
        if wanted == before:
            return
        self.client.log_batch(before.run_id, tags=_tags(wanted))
        if wanted.run_name != before.run_name:
            self.client.update_run(before.run_id, name=wanted.run_name)
        if wanted.status != before.status:
            self._set_status(wanted)
        self._runs[key] = wanted

    def sync(self, update: RunUpdate) -> None:
        """Update a trial's run to its newest checkpoint, unless it is up to date.

        Raises:
            UserError: the trial has finished, but without a sound generator of its last step.
            One of STORE_ERRORS: the store failed; repeat the call later to continue.
        """
        before = self._runs.get(update.key) or self._find_or_create(update)
        self._runs[update.key] = before
        finished = update.phase is TrialPhase.FINISHED
        newest = checkpoint.newest(update.directory, checkpoint.TRIAL)
        exported: tuple[str, ...] = ()
        if finished and (newest is None or not before.has_generator_of(newest.trial)):
            exported = (checkpoint.GENERATOR, checkpoint.CONFIG)
            newest = checkpoint.newest(update.directory, checkpoint.TRIAL, *exported)
        if finished and not is_of_last_step(newest, update.config):
            raise UserError(f"{update.directory}: no sound checkpoint of the last step")
        if newest is not None and not before.is_of(newest.trial):
            before = self._replace(update, before)
        wanted = replace(
            before,
            name=update.name,
            run_name=update.run_name or update.name,
            index=update.index,
            status=update.phase.run_status,
            phase=update.phase,
            reason=update.reason,
            config=update.config,
            restarts=update.restarts,
            goodput=update.goodput,
            lineage=update.lineage,
        )
        history = []
        if newest is not None:
            trial = newest.trial
            own = own_steps(update.config, update.phase, trial["step"], trial["total_steps"])
            history = unsent_points(self.client, before, trial)
            wanted = replace(
                wanted,
                step=max(trial["step"], before.step),
                total_steps=trial["total_steps"] if own else 0,
                epoch=trial["epoch"] if own else 0.0,
                seconds=trial["seconds"] if own else 0.0,
                step_seconds=trial.get("step_seconds", trial["seconds"]) if own else 0.0,
                device=trial["device"],
                versions=trial["versions"],
                dataset_digest=trial["dataset_digest"],
                began=began_of(trial) or before.began,
            )
        if wanted == before:
            return
        if newest is not None:
            generator = {name: newest.files[name] for name in exported}
            self._send_artifacts(before, history, generator, update.directory)
            if wanted.dataset_digest != before.dataset_digest:
                self.client.log_inputs(before.run_id, [dataset_input(update.config, trial)])
        *others, last = _chunks(history)
        for chunk in others:
            self.client.log_batch(before.run_id, metrics=chunk)
        params = [] if before.step else params_of(update.config).items()
        origin = {} if wanted.lineage == before.lineage else origin_tags(self.client, wanted)
        # A store writes tags last, so all data that they refer to is there.
        self.client.log_batch(
            before.run_id,
            metrics=last,
            params=[Param(name, value) for name, value in params],
            tags=_tags(wanted, **origin),
        )
        if wanted.run_name != before.run_name:
            self.client.update_run(before.run_id, name=wanted.run_name)
        if wanted.status != before.status:
            self._set_status(wanted)
        self._runs[update.key] = wanted

    def log_samples(self, key: str, samples: list[dict[str, Any]]) -> None:
        """Log samples of a trial's node, with ``time``, ``step`` and ``metrics``, to its run."""
        for chunk in _chunks(samples):
            self.client.log_batch(self._runs[key].run_id, metrics=chunk)

    def _set_status(self, run: TrialRun) -> None:
        if run.status in ("RUNNING", "SCHEDULED"):
            self.client.update_run(run.run_id, status=run.status)
        else:
            self.client.set_terminated(run.run_id, run.status)

    def _find_or_create(self, update: RunUpdate) -> TrialRun:
        # The store may have it already: the answer to an earlier request may have been lost.
        for found in search(self.client, self.experiment_id, update.key):
            return found
        run = TrialRun(
            run_id="",
            key=update.key,
            name=update.name,
            run_name=update.run_name or update.name,
            index=update.index,
            status="RUNNING",
            phase=TrialPhase.STARTING,
            reason="",
            config=update.config,
        )
        tags = {**source_tags(), **tags_of(run)}
        created = self.client.create_run(self.experiment_id, tags=tags, run_name=run.run_name)
        return replace(run, run_id=created.info.run_id)

    def _replace(self, update: RunUpdate, before: TrialRun) -> TrialRun:
        """Delete the run of a trial's earlier training; return one for that of now."""
        self.client.delete_run(before.run_id)
        del self._runs[update.key]
        return self._runs.setdefault(update.key, self._find_or_create(update))

    def _send_artifacts(
        self,
        run: TrialRun,
        points: list[dict[str, Any]],
        generator: Mapping[str, bytes],
        directory: Path,
    ) -> None:
        for step in {point["step"] for point in points}:
            sample = checkpoint.sample_file(directory, step)
            if sample.exists():
                self.client.log_artifact(run.run_id, str(sample), "samples")
        if generator:
            _send_files(self.client, run.run_id, with_sums(generator), GENERATOR)


def log_report(client: Client, sweep: str, report: Mapping[str, bytes]) -> str:
    """Store a report with its sweep, as artifacts of a run named ``report`` that is created once.

    Args:
        client: client of the store.
        sweep: name of the sweep.
        report: files of the report, by name.

    Returns:
        Id of the run.

    Raises:
        UserError: the sweep is another owner's.
    """
    where = require_own(client, sweep).experiment_id
    found = client.search_runs([where], f"tags.`{REPORT}` = 'yes'", max_results=1)
    run = found[0] if found else client.create_run(where, tags={REPORT: "yes"}, run_name="report")
    run_id = str(run.info.run_id)
    _send_files(client, run_id, report, "report")
    client.set_terminated(run_id)
    return run_id


def _send_files(client: Client, run_id: str, files: Mapping[str, bytes], folder: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            checkpoint.write_file(Path(directory) / name, content)
        client.log_artifacts(run_id, directory, folder)


def _tags(run: TrialRun, **others: str) -> list[RunTag]:
    tags = {**tags_of(run), **commit_tags(run.versions), **others}
    return [RunTag(name, value) for name, value in tags.items()]


def _chunks(points: list[dict[str, Any]]) -> list[list[Metric]]:
    """Split the metrics of some points into chunks that fit in a call; at least one chunk."""
    metrics = [
        Metric(name, value, point["time"], point["step"])
        for point in points
        for name, value in point["metrics"].items()
    ]
    starts = range(0, len(metrics), METRICS_PER_CALL)
    return [metrics[i : i + METRICS_PER_CALL] for i in starts] or [[]]
