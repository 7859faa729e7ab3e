"""All of MLflow: a sweep is an experiment, a trial a run, found by the trial's key.

A run is a projection of the trial's newest checkpoint. Only what a checkpoint holds is sent, so
that nothing is sent that a restart would take back; each point has the time at which it was
first made, and the run's tag ``colorsweep.step`` says how far it is. So a repeated transfer
changes nothing, and a missed one is made up for by the next.
"""

import logging
import os
import re
import tempfile
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

# Before the import, which reads them. An absent server is to be noticed in seconds.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Experiment, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from gan import checkpoint
from gan.config import TrainConfig
from gan.errors import UserError
from reports.runs import LEFT_OUT, PREFIX, Status, TrialRun, of_tags, params_of, tags_of

AWAY = (MlflowException, RequestException, SQLAlchemyError, OSError)
"""What a tracking store that is not there, or fails for a while, raises."""

COMMAND = f"{PREFIX}command"
"""Tag of an experiment: what its sweep was launched with last."""
REPORT = f"{PREFIX}report"
"""Tag of the run that keeps a sweep's report."""
Client = MlflowClient
GENERATOR = "generator"
"""The artifact of a finished trial: its weights and its config."""
METRICS_PER_CALL = 800
"""With params and tags, MLflow takes 1,000."""

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow").setLevel(logging.WARNING)


def default_uri(runs: Path) -> str:
    """Return ``MLFLOW_TRACKING_URI``, or a SQLite file below ``runs``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs.absolute()}/mlflow.db"


def connect(uri: str, *, to_read: bool = False) -> MlflowClient:
    """Open a tracking store.

    Args:
        uri: of an MLflow server or database.
        to_read: whether it must be there already; else a SQLite file is made if need be.

    Raises:
        UserError: it does not answer, or is none.
    """
    file = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    try:
        if file is not None and to_read and not file.exists():
            raise FileNotFoundError("nothing was launched there")
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except (*AWAY, ImportError, ValueError) as error:  # the latter: a driver, a URI's form
        raise UserError(
            f"MLFLOW_TRACKING_URI: no tracking store at {without_password(uri)} "
            f"({_first_line(error)}); valid: http(s)://HOST:PORT of an MLflow server, "
            "sqlite:///FILE, or --runs DIR of a launched sweep"
        ) from None
    return client


class SweepTracker:
    """Writes the runs of one sweep."""

    def __init__(self, uri: str, sweep: str, runs: Path, command: str = "") -> None:
        """Find or make the sweep's experiment, and learn which runs it has.

        Args:
            uri: of the tracking store.
            sweep: name of the sweep.
            runs: directory for artifacts, unless a tracking server keeps them.
            command: what it is launched with, for the report.

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
            if command:
                self.client.set_experiment_tag(self.experiment_id, COMMAND, command)
            self._runs = {run.key: run for run in _search(self.client, self.experiment_id)}
        except AWAY as error:
            raise UserError(
                f"MLFLOW_TRACKING_URI: no experiment {sweep!r} ({_first_line(error)})"
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
        status = "KILLED" if before.status == "RUNNING" else before.status
        wanted = replace(before, index=LEFT_OUT, status=status)
        if wanted == before:
            return
        self.client.log_batch(before.run_id, tags=_tags(wanted))
        if status != before.status:
            self.client.set_terminated(before.run_id, status)
        self._runs[key] = wanted

    def sync(
        self,
        *,
        key: str,
        name: str,
        index: int,
        config: TrainConfig,
        directory: Path,
        status: Status,
        reason: str = "",
        restarts: int = 0,
        goodput: float | None = None,
    ) -> None:
        """Bring a trial's run up to its newest checkpoint; do nothing where it is.

        Args:
            key: the trial's.
            name: the run's name, for people.
            index: position in the sweep.
            config: the trial's, as asked for now.
            directory: the trial's, with its checkpoints and samples.
            status: the run's.
            reason: why it failed, or a scheduler stopped it.
            restarts: after deaths.
            goodput: share of its time on workers that went into steps that counted.

        Raises:
            One of AWAY: the store failed; the same call goes on later.
        """
        before = self._runs.get(key) or self._find_or_create(key, name, index, config)
        self._runs[key] = before
        wanted = replace(
            before,
            name=name,
            index=index,
            status=status,
            reason=reason,
            config=config,
            restarts=restarts,
            goodput=goodput,
        )
        history = []
        exporting = status == "FINISHED" and before.status != "FINISHED"
        if (newest := checkpoint.newest(directory, digests=exporting)) is not None:
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
            self._send_artifacts(before, history, newest, directory, finished=status == "FINISHED")
        *others, last = _chunks(history)
        for chunk in others:
            self.client.log_batch(before.run_id, metrics=chunk)
        params = [] if before.step else params_of(config).items()
        # A store writes tags last: what they say is there.
        self.client.log_batch(
            before.run_id,
            metrics=last,
            params=[Param(name, value) for name, value in params],
            tags=_tags(wanted),
        )
        if name != before.name:
            self.client.update_run(before.run_id, name=name)
        if status != before.status:
            if status == "RUNNING":
                self.client.update_run(before.run_id, status=status)
            else:
                self.client.set_terminated(before.run_id, status)
        self._runs[key] = wanted

    def _find_or_create(self, key: str, name: str, index: int, config: TrainConfig) -> TrialRun:
        # Not in our list, yet perhaps in the store: the answer to an earlier try may be lost.
        for found in _search(self.client, self.experiment_id, key):
            return found
        run = TrialRun("", key, name, index, "RUNNING", "", config, 0, 0, 0.0, 0.0, "", metrics={})
        created = self.client.create_run(self.experiment_id, tags=tags_of(run), run_name=name)
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


def read_sweep(client: MlflowClient, sweep: str, *, left_out: bool = False) -> list[TrialRun]:
    """Read the trials of a sweep, in its order.

    Args:
        client: of the store.
        sweep: name of the sweep.
        left_out: whether those come too, at the end, that the sweep's file no longer has.

    Raises:
        UserError: there is no such sweep; the message lists those that are.
    """
    experiment = client.get_experiment_by_name(sweep)
    if experiment is None:
        raise UserError(f"{sweep}: no such sweep; there are: {', '.join(sweeps(client)) or 'none'}")
    found = [replace(run, sweep=sweep) for run in _search(client, experiment.experiment_id)]
    found.sort(key=lambda run: run.index)
    gone = [run for run in found if run.index == LEFT_OUT]
    return [run for run in found if run.index != LEFT_OUT] + (gone if left_out else [])


def sweeps(client: MlflowClient) -> list[str]:
    """List the sweeps of a tracking store by name."""
    experiments: list[Experiment] = client.search_experiments()
    return sorted(e.name for e in experiments if e.name != "Default")


def samples(client: MlflowClient, run: TrialRun, most: int) -> dict[int, bytes]:
    """Fetch sample grids (PNG) of a trial by step, spread over its training; the newest is last.

    Args:
        client: of the store.
        run: the trial's.
        most: how many, at most.
    """
    paths = sorted(item.path for item in client.list_artifacts(run.run_id, "samples"))
    count = min(most, len(paths))
    # The last of each of ``count`` equal parts.
    chosen = [paths[(i + 1) * len(paths) // count - 1] for i in range(count)]
    with tempfile.TemporaryDirectory() as directory:
        return {
            # By its URI: the client's own way takes 15 times as long, to find out about the run.
            checkpoint.step_of(path): Path(
                download_artifacts(
                    artifact_uri=f"{run.artifacts}/{path}",
                    dst_path=directory,
                    tracking_uri=client.tracking_uri,
                )
            ).read_bytes()
            for path in chosen
        }


def curve(client: MlflowClient, run: TrialRun, metric: str) -> list[tuple[int, float]]:
    """Return every point of a trial's metric: (step, value), by step."""
    return sorted((m.step, m.value) for m in client.get_metric_history(run.run_id, metric))


def launched_with(client: MlflowClient, sweep: str) -> str:
    """Return the command that launched a sweep last; empty where none is on record."""
    experiment = client.get_experiment_by_name(sweep)
    return str(experiment.tags.get(COMMAND, "")) if experiment else ""


def log_report(client: MlflowClient, sweep: str, report: Path) -> str:
    """Keep a report with its sweep: as the artifacts of a run named ``report``, made once.

    Args:
        client: of the store.
        sweep: name of the sweep.
        report: the report's directory.

    Returns:
        Id of the run.
    """
    experiment = client.get_experiment_by_name(sweep)
    assert experiment is not None, "a report was read from it"
    where = experiment.experiment_id
    found = client.search_runs([where], f"tags.`{REPORT}` = 'yes'", max_results=1)
    run = found[0] if found else client.create_run(where, tags={REPORT: "yes"}, run_name="report")
    run_id = str(run.info.run_id)
    client.log_artifacts(run_id, str(report), "report")
    client.set_terminated(run_id)
    return run_id


def find_run(client: MlflowClient, run_id: str) -> TrialRun | None:
    """Read the run of an id, if the store has it and it is a trial's."""
    try:
        return _trial_run(client.get_run(run_id))
    except (MlflowException, KeyError):
        return None


def fetch_generator(client: MlflowClient, run: TrialRun, directory: Path) -> Path | None:
    """Fetch a finished trial's generator into a directory.

    Returns:
        Where it is, with its config.json; None if the store has none of it.

    Raises:
        UserError: the store fails.
    """
    try:
        if not client.list_artifacts(run.run_id, GENERATOR):
            return None
        return Path(client.download_artifacts(run.run_id, GENERATOR, str(directory)))
    except AWAY as error:
        raise UserError(
            f"{run.name}: its generator cannot be fetched ({_first_line(error)})"
        ) from None


def _search(client: MlflowClient, experiment_id: str, key: str = "") -> list[TrialRun]:
    """Read the runs of a sweep's trials, or of one; of doubled runs, the one that is further on.

    A run is doubled where MLflow's client repeats a request whose answer was lost.
    """
    which = f"tags.`{PREFIX}key` {'=' if key else '!='} '{key}'"
    found: dict[str, TrialRun] = {}
    token = None
    while True:
        page = client.search_runs([experiment_id], which, max_results=1000, page_token=token)
        for run in map(_trial_run, page):
            if run.key not in found or run.step > found[run.key].step:
                found[run.key] = run
        if not (token := page.token):
            return list(found.values())


def without_password(uri: str) -> str:
    """Make an address fit to be shown."""
    return re.sub(r"//([^:/@]*):[^@/]*@", r"//\1:***@", uri)


def _trial_run(run: Run) -> TrialRun:
    info, data = run.info, run.data
    metrics = dict(data.metrics)
    return of_tags(
        data.tags, info.run_id, info.run_name, info.status, metrics, info.artifact_uri or ""
    )


def _tags(run: TrialRun) -> list[RunTag]:
    return [RunTag(name, value) for name, value in tags_of(run).items()]


def _chunks(points: list[dict[str, Any]]) -> list[list[Metric]]:
    """Split the metrics of some points into what a call can take; at least one chunk."""
    chunks: list[list[Metric]] = [[]]
    for point in points:
        metrics = [
            Metric(name, value, point["time"], point["step"])
            for name, value in point["metrics"].items()
        ]
        if len(chunks[-1]) + len(metrics) > METRICS_PER_CALL:
            chunks.append([])
        chunks[-1] += metrics
    return chunks


def _first_line(error: BaseException) -> str:
    if "Max retries exceeded" in str(error):
        return "nothing answers there"
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return textwrap.shorten(line, 120, placeholder=" ...")
