"""Access to the tracking store: opening it, and reading sweeps from it."""

import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.entities import FileInfo, Run
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from gan.byte_names import require_utf8
from gan.errors import UserError
from gan.plain_text import AMBIGUOUS, is_ambiguous, plain
from reports.experiments import Client, find, located, require, warn_of_another
from reports.new_store import file_of, is_plain_uri, make_store
from reports.owner import Owner
from reports.runs import (
    EVALUATED,
    LEFT_OUT,
    MOST,
    PREFIX,
    TrialRun,
    UnusableRun,
    is_measured,
    of_tags,
)
from reports.unusable_store import unreadable, unusable

STORE_ERRORS = (MlflowException, RequestException, SQLAlchemyError, OSError)
"""Errors raised by a tracking store that is absent or temporarily fails."""

DATABASES = ("postgresql", "mysql", "mssql")
"""Databases on a server that MLflow knows."""
COMMAND = f"{PREFIX}command"
"""Tag of an experiment: the command that last launched its sweep."""
TRIALS = f"{PREFIX}trials"
"""Tag of an experiment: the number of trials in that launch."""
REPORT = f"{PREFIX}report"
"""Tag of the run that stores a sweep's report."""

log = logging.getLogger(__name__)
Tell = Callable[[str], None]
"""Function that is given a line about a run that is left out; by default it is logged."""

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow").setLevel(logging.WARNING)


def default_uri(runs: Path) -> str:
    """Return ``MLFLOW_TRACKING_URI``, or else the URI of a SQLite file in ``runs``.

    Raises:
        UserError: the name of ``runs`` cannot be written as a URI.
    """
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return uri
    require_utf8("--runs", runs.absolute())
    if not is_plain_uri(str(runs.absolute())):
        raise UserError(
            f"--runs: {runs.absolute()}: has a % or ?, which MLflow would not read; use another"
        )
    return f"sqlite:///{runs.absolute()}/mlflow.db"


def require_answer(uri: str, runs: Path) -> None:
    """Fail before anything is written if a tracking server is absent.

    Raises:
        UserError: nothing answers at the URI. The store below ``runs`` is made later.
    """
    if not uri.startswith(f"sqlite:///{runs.absolute()}/"):
        connect(uri)


def connect(uri: str, owner: Owner | None = None, *, to_read: bool = False) -> Client:
    """Open a tracking store.

    Args:
        uri: URI of an MLflow server or database.
        owner: owner whose sweeps are read first, and may be written to.
        to_read: whether it must exist already; otherwise a missing SQLite file is created.

    Raises:
        UserError: nothing answers at the URI, or it is no tracking store, or a damaged one.
    """
    file = file_of(uri)
    try:
        if uri.startswith("http") and is_ambiguous(uri):
            raise ValueError(AMBIGUOUS)
        if file is not None and to_read and not file.exists():
            raise FileNotFoundError("no sweep was launched there")
        if file is not None and not file.exists():
            make_store(file)
        if file is None and not uri.startswith("http"):
            _require_database(uri)
        client = Client(uri, owner)
        client.search_experiments(max_results=1)
        log.debug("tracking store %s answers", uri)
    except (*STORE_ERRORS, ImportError, ValueError) as error:  # missing driver, bad URI
        raise unusable(uri, error) from None
    return client


def _require_database(uri: str) -> None:
    """Connect to a database once; MLflow would try for minutes, with lines of its own."""
    if uri.partition(":")[0].partition("+")[0] in DATABASES:
        engine = create_engine(uri)
        try:
            engine.connect().close()
        finally:
            engine.dispose()


@contextmanager
def opened(uri: str, owner: Owner | None = None) -> Iterator[Client]:
    """Open a tracking store for reading, as a context manager.

    Raises:
        UserError: the store does not exist, or fails within the context.
    """
    client = connect(uri, owner, to_read=True)
    try:
        yield client
    except STORE_ERRORS as error:
        raise unreadable(uri, error) from None


def read_sweep(
    client: Client, sweep: str, *, left_out: bool = False, tell: Tell = log.warning
) -> list[TrialRun]:
    """Read the trials of a sweep, in its order.

    Args:
        client: client of the store.
        sweep: name of the sweep.
        left_out: whether to append the trials that the sweep's file no longer has.
        tell: called with a line for each run that cannot be read.

    Raises:
        UserError: there is no such sweep; the message lists the existing ones.
    """
    experiment = require(client, sweep)
    warn_of_another(client, experiment)
    every = search(client, experiment.experiment_id, tell=tell)
    found = [replace(run, sweep=sweep) for run in every]
    found.sort(key=lambda run: run.index)
    gone = [run for run in found if run.index == LEFT_OUT]
    return [run for run in found if run.index != LEFT_OUT] + (gone if left_out else [])


def sample_paths(client: Client, run: TrialRun, most: int) -> list[str]:
    """List sample grids of a trial in the store, spread over its training; the newest is last.

    Args:
        client: client of the store.
        run: run of the trial.
        most: maximum number of grids.
    """
    listed = (item.path for item in artifacts(client, run, "samples"))
    paths = sorted(path for path in listed if re.fullmatch(r"samples/step-\d+\.png", path))
    count = min(most, len(paths))
    # Split the grids into ``count`` equal parts and take the last of each.
    return [paths[(i + 1) * len(paths) // count - 1] for i in range(count)]


def sample(client: Client, run: TrialRun, path: str) -> bytes:
    """Fetch a sample grid (PNG) that ``sample_paths`` listed."""
    with tempfile.TemporaryDirectory() as directory:
        return download(client, run, path, directory).read_bytes()


def curve(client: Client, run: TrialRun, metric: str) -> list[tuple[int, float]]:
    """Return all measured points (step, value) of a trial's metric, by step."""
    points = client.get_metric_history(run.run_id, metric)
    return sorted((m.step, m.value) for m in points if is_measured(m.value))


@dataclass(frozen=True)
class Launched:
    """The last launch of a sweep."""

    command: str = ""
    trials: int = 0
    """Number of trials at that time, without those that a search has chosen since."""


def last_launch(client: Client, sweep: str) -> Launched:
    """Return the last launch of a sweep, as far as it is on record."""
    experiment = find(client, sweep)
    tags = experiment.tags if experiment else {}
    trials = tags.get(TRIALS, "")
    return Launched(
        plain(tags.get(COMMAND, "")),
        int(trials) if trials.isdecimal() and len(trials) < len(f"{MOST:.0f}") else 0,
    )


def find_run(client: Client, run_id: str) -> TrialRun | None:
    """Read the run with an id; None if the store lacks it, or it is not a trial's.

    Raises:
        UserError: the run is a trial's but cannot be read.
    """
    try:
        found = client.get_run(run_id)
        if not _is_of_trial(found):
            return None
        sweep = client.get_experiment(found.info.experiment_id).name
        return replace(_trial_run(client, found), sweep=sweep)
    except UnusableRun as error:
        raise UserError(f"{run_id}: cannot be read: {error}") from None
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


# Both by URI: a run's recorded one may be out of date (``located``), and the client's own download
# looks up the run and takes 15 times as long.
def artifacts(client: Client, run: TrialRun, path: str) -> list[FileInfo]:
    """List the files of a run's artifact."""
    where = f"{run.artifacts}/{path}"
    return list_artifacts(artifact_uri=where, tracking_uri=client.tracking_uri)


def download(client: Client, run: TrialRun, path: str, directory: str) -> Path:
    """Fetch an artifact of a run into a directory; return its path there."""
    where = f"{run.artifacts}/{path}"
    return Path(
        download_artifacts(artifact_uri=where, dst_path=directory, tracking_uri=client.tracking_uri)
    )


def search(
    client: Client, experiment_id: str, key: str = "", tell: Tell = log.warning
) -> list[TrialRun]:
    """Read the runs of a sweep's trials, or of the one trial with ``key``.

    MLflow's client duplicates a run if it repeats a request whose answer was lost; of duplicates,
    return the one with more steps. Runs that cannot be read are left out; ``tell`` is called with a
    line for each.
    """
    which = f"tags.`{PREFIX}key` = '{key}'" if key else ""
    found: dict[str, TrialRun] = {}
    token = None
    while True:
        page = client.search_runs([experiment_id], which, max_results=1000, page_token=token)
        for each in filter(_is_of_trial, page):
            try:
                run = _trial_run(client, each)
            except UnusableRun as error:
                name, run_id = plain(each.info.run_name or "without a name"), each.info.run_id
                where = f"{name} (run {run_id})"
                tell(f"left out {where}: {error}; mend or delete the run in MLflow")
                continue
            if run.key not in found or run.step > found[run.key].step:
                found[run.key] = run
        if not (token := page.token):
            return list(found.values())


def _is_of_trial(run: Run) -> bool:
    """Whether a run has tags of a trial, if only some."""
    return any(tag.startswith(PREFIX) for tag in run.data.tags) and REPORT not in run.data.tags


def _trial_run(client: Client, run: Run) -> TrialRun:
    """Build the trial of a run; raise UnusableRun if it cannot be read."""
    info, metrics = run.info, _metrics(run)
    artifacts = located(client.tracking_uri, info.artifact_uri or "")
    return of_tags(run.data.tags, info.run_id, info.run_name or "", info.status, metrics, artifacts)


def _metrics(run: Run) -> dict[str, float]:
    """Return the newest value of each metric; of evaluations, only the last one's.

    The evaluation at the end of a training measures more than the others. If a finished trial is
    then trained further, the extra values do not describe its current generator.
    """
    newest = run.to_proto().data.metrics
    last = max((m.step for m in newest if m.key.startswith(EVALUATED)), default=0)
    return {
        metric.key: metric.value
        for metric in newest
        if not metric.key.startswith(EVALUATED) or metric.step == last
    }
