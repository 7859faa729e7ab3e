"""Writing to the tracking store: a sweep is an experiment, a trial a run, found by its key.

A run is a projection of the trial's newest checkpoint. Only what a checkpoint holds is sent, so
that nothing is sent that a restart would take back; each point has the time at which it was
first made, and the run's tag ``colorsweep.step`` says how far it is. So a repeated transfer
changes nothing, and a missed one is made up for by the next.
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
from reports.phase import TrialPhase
from reports.runs import LEFT_OUT, PREFIX, TrialRun, params_of, tags_of
from reports.store import (
    AWAY,
    COMMAND,
    GENERATOR,
    TRIALS,
    Client,
    Launched,
    connect,
    first_line,
    search,
)

REPORT = f"{PREFIX}report"
"""Tag of the run that keeps a sweep's report."""
METRICS_PER_CALL = 800
"""With params and tags, MLflow takes 1,000; it splits more, and its first part has the tags."""


@dataclass(frozen=True)
class RunUpdate:
    """A trial as its run is to show it."""

    key: str
    name: str
    """Of the run, for people."""
    index: int
    """Position in the sweep."""
    config: TrainConfig
    """As asked for now."""
    directory: Path
    """Of the trial, with its checkpoints and samples."""
    phase: TrialPhase
    reason: str = ""
    """Why it failed, or a scheduler stopped it."""
    restarts: int = 0
    """After deaths."""
    goodput: float | None = None
    """Share of its time on workers that went into steps that counted."""


class SweepTracker:
    """Writes the runs of one sweep."""

    def __init__(self, uri: str, sweep: str, runs: Path) -> None:
        """Find or make the sweep's experiment, and learn which runs it has.

        Args:
            uri: of the tracking store.
            sweep: name of the sweep.
            runs: directory for artifacts, unless a tracking server keeps them.

        Raises:
            UserError: the store does not answer.
        """
        self.client = connect(uri)
        local = runs.absolute() / "mlartifacts" / sweep if uri.startswith("sqlite:") else None
        try:
            experiment = self.client.get_experiment_by_name(sweep)
            if experiment is not None and experiment.lifecycle_stage == "deleted":
                raise OSError("it was deleted; restore or remove it in MLflow")
            if experiment is None:
                location = None if local is None else local.as_uri()
                self.experiment_id = self.client.create_experiment(sweep, location)
            else:
                self.experiment_id = experiment.experiment_id
            self._runs = {run.key: run for run in search(self.client, self.experiment_id)}
        except AWAY as error:
            raise UserError(
                f"MLFLOW_TRACKING_URI: no experiment {sweep!r} ({first_line(error)})"
            ) from None

    def note_launch(self, launch: Launched) -> None:
        """Note how the sweep is launched, for the report.

        Raises:
            UserError: the store does not answer.
        """
        try:
            for tag, value in ((COMMAND, launch.command), (TRIALS, launch.trials)):
                self.client.set_experiment_tag(self.experiment_id, tag, str(value))
        except AWAY as error:
            raise UserError(
                f"MLFLOW_TRACKING_URI: cannot be written ({first_line(error)})"
            ) from None

    def run_of(self, key: str) -> TrialRun | None:
        """Return what was last written of a trial."""
        return self._runs.get(key)

    def runs(self) -> list[TrialRun]:
        """Return what was last written of every trial that the sweep ever had."""
        return list(self._runs.values())

    def leave_out(self, key: str) -> None:
        """Note that the sweep no longer has a trial, and that nothing trains it.

        Raises:
            One of AWAY: the store failed; the same call goes on later.
        """
        before = self._runs[key]
        phase = TrialPhase.STOPPED if before.phase.is_active else before.phase
        wanted = replace(before, index=LEFT_OUT, phase=phase, status=phase.run_status)
        if wanted == before:
            return
        self.client.log_batch(before.run_id, tags=_tags(wanted))
        if wanted.status != before.status:
            self._set_status(wanted)
        self._runs[key] = wanted

    def sync(self, update: RunUpdate) -> None:
        """Bring a trial's run up to its newest checkpoint; do nothing where it is.

        Raises:
            One of AWAY: the store failed; the same call goes on later.
        """
        before = self._runs.get(update.key) or self._find_or_create(update)
        self._runs[update.key] = before
        wanted = replace(
            before,
            name=update.name,
            index=update.index,
            status=update.phase.run_status,
            phase=update.phase,
            reason=update.reason,
            config=update.config,
            restarts=update.restarts,
            goodput=update.goodput,
        )
        finished = update.phase is TrialPhase.FINISHED
        history = []
        digests = finished and before.status != "FINISHED"
        if (newest := checkpoint.newest(update.directory, digests=digests)) is not None:
            trial = checkpoint.read_trial(newest)
            history = [point for point in trial["history"] if point["step"] > before.step]
            wanted = replace(
                wanted,
                step=max(trial["step"], before.step),
                total_steps=trial["total_steps"],
                epoch=trial["epoch"],
                seconds=trial["seconds"],
                device=trial["device"],
                versions=trial["versions"],
                dataset_digest=trial["dataset_digest"],
            )
        if wanted == before:
            return
        if newest is not None:
            self._send_artifacts(before, history, newest, update.directory, finished=finished)
        *others, last = _chunks(history)
        for chunk in others:
            self.client.log_batch(before.run_id, metrics=chunk)
        params = [] if before.step else params_of(update.config).items()
        # A store writes tags last: what they say is there.
        self.client.log_batch(
            before.run_id,
            metrics=last,
            params=[Param(name, value) for name, value in params],
            tags=_tags(wanted),
        )
        if wanted.name != before.name:
            self.client.update_run(before.run_id, name=wanted.name)
        if wanted.status != before.status:
            self._set_status(wanted)
        self._runs[update.key] = wanted

    def _set_status(self, run: TrialRun) -> None:
        if run.status in ("RUNNING", "SCHEDULED"):
            self.client.update_run(run.run_id, status=run.status)
        else:
            self.client.set_terminated(run.run_id, run.status)

    def _find_or_create(self, update: RunUpdate) -> TrialRun:
        # Not in our list, yet perhaps in the store: the answer to an earlier try may be lost.
        for found in search(self.client, self.experiment_id, update.key):
            return found
        run = TrialRun(
            run_id="",
            key=update.key,
            name=update.name,
            index=update.index,
            status="RUNNING",
            phase=TrialPhase.STARTING,
            reason="",
            config=update.config,
        )
        created = self.client.create_run(self.experiment_id, tags=tags_of(run), run_name=run.name)
        return replace(run, run_id=created.info.run_id)

    def _send_artifacts(
        self,
        run: TrialRun,
        points: list[dict[str, Any]],
        newest: Path,
        directory: Path,
        *,
        finished: bool,
    ) -> None:
        for step in {point["step"] for point in points}:
            sample = checkpoint.sample_file(directory, step)
            if sample.exists():
                self.client.log_artifact(run.run_id, str(sample), "samples")
        if finished:
            for file in (checkpoint.GENERATOR, checkpoint.CONFIG):
                self.client.log_artifact(run.run_id, str(newest / file), GENERATOR)


def log_report(client: Client, sweep: str, report: Mapping[str, bytes]) -> str:
    """Keep a report with its sweep: as the artifacts of a run named ``report``, made once.

    Args:
        client: of the store.
        sweep: name of the sweep.
        report: its files, by name.

    Returns:
        Id of the run.
    """
    experiment = client.get_experiment_by_name(sweep)
    assert experiment is not None, "a report was read from it"
    where = experiment.experiment_id
    found = client.search_runs([where], f"tags.`{REPORT}` = 'yes'", max_results=1)
    run = found[0] if found else client.create_run(where, tags={REPORT: "yes"}, run_name="report")
    run_id = str(run.info.run_id)
    with tempfile.TemporaryDirectory() as directory:
        for name, content in report.items():
            checkpoint.write_file(Path(directory) / name, content)
        client.log_artifacts(run_id, directory, "report")
    client.set_terminated(run_id)
    return run_id


def _tags(run: TrialRun) -> list[RunTag]:
    return [RunTag(name, value) for name, value in tags_of(run).items()]


def _chunks(points: list[dict[str, Any]]) -> list[list[Metric]]:
    """Split the metrics of some points into what a call can take; at least one chunk."""
    metrics = [
        Metric(name, value, point["time"], point["step"])
        for point in points
        for name, value in point["metrics"].items()
    ]
    starts = range(0, len(metrics), METRICS_PER_CALL)
    return [metrics[i : i + METRICS_PER_CALL] for i in starts] or [[]]
