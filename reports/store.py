"""Access to the tracking store: opening it, and reading sweeps from it."""

import logging
import os
import re
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

# MLflow reads these on import. With few retries, an absent server is noticed within seconds.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from gan import checkpoint
from gan.errors import UserError
from reports.runs import EVALUATED, LEFT_OUT, PREFIX, TrialRun, of_tags

STORE_ERRORS = (MlflowException, RequestException, SQLAlchemyError, OSError)
"""Errors raised by a tracking store that is absent or temporarily fails."""

Client = MlflowClient
COMMAND = f"{PREFIX}command"
"""Tag of an experiment: the command that last launched its sweep."""
TRIALS = f"{PREFIX}trials"
"""Tag of an experiment: the number of trials in that launch."""
URI_SYNTAX = "%?"
"""Characters of a path that a SQLite file's URI would take for something else."""
GENERATOR = "generator"
"""Artifact of a finished trial: its weights and config."""

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("mlflow").setLevel(logging.WARNING)


def default_uri(runs: Path) -> str:
    """Return ``MLFLOW_TRACKING_URI``, or else the URI of a SQLite file in ``runs``.

    Raises:
        UserError: the file's path cannot be written as a URI.
    """
    if given := os.environ.get("MLFLOW_TRACKING_URI"):
        return given
    if set(URI_SYNTAX) & set(str(runs.absolute())):
        raise UserError(
            f"--runs: {runs.absolute()}: MLflow cannot keep its store below a directory with % or "
            "? in its name; use another directory, or set MLFLOW_TRACKING_URI"
        )
    return f"sqlite:///{runs.absolute()}/mlflow.db"


def require_answer(uri: str, runs: Path) -> None:
    """Fail before anything is written if a tracking server is absent.

    Raises:
        UserError: nothing answers at the URI. The store below ``runs`` is made later.
    """
    if not uri.startswith(f"sqlite:///{runs.absolute()}/"):
        connect(uri)


def connect(uri: str, *, to_read: bool = False) -> Client:
    """Open a tracking store.

    Args:
        uri: URI of an MLflow server or database.
        to_read: whether it must exist already; otherwise a missing SQLite file is created.

    Raises:
        UserError: nothing answers at the URI, or it is not a tracking store.
    """
    is_file = uri.startswith("sqlite:///") and not set(URI_SYNTAX) & set(uri)
    file = Path(uri.removeprefix("sqlite:///")) if is_file else None
    try:
        if file is not None and to_read and not file.exists():
            raise FileNotFoundError("no sweep was launched there")
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                _make(file)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except (*STORE_ERRORS, ImportError, ValueError) as error:  # missing driver, bad URI
        given = "MLFLOW_TRACKING_URI" if os.environ.get("MLFLOW_TRACKING_URI") else "--runs"
        raise UserError(
            f"{given}: no tracking store at {without_password(uri)} "
            f"({first_line(error)}); valid: http(s)://HOST:PORT of an MLflow server, "
            "sqlite:///FILE, or --runs DIR of a launched sweep"
        ) from None
    return client


def _make(file: Path) -> None:
    """Make an empty store in one move: MLflow's migrations suffer no second process, and no kill.

    MLflow would write the location of its default artifacts into SQL, and stumble over quotes.
    """
    # This import takes seconds, and only a new store needs it.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=file.parent) as directory:
        made = Path(directory) / file.name
        artifacts = file.absolute().with_name("mlartifacts").as_uri()
        store = SqlAlchemyStore(f"sqlite:///{made}", artifacts)  # type: ignore[no-untyped-call]
        store.engine.dispose()
        try:
            os.link(made, file)
        except OSError:
            if not file.exists():  # or else another process was first
                made.replace(file)  # on a file system without hard links


@contextmanager
def opened(uri: str) -> Iterator[Client]:
    """Open a tracking store for reading, as a context manager.

    Raises:
        UserError: the store does not exist, or fails within the context.
    """
    client = connect(uri, to_read=True)
    try:
        yield client
    except STORE_ERRORS as error:
        raise UserError(
            f"MLFLOW_TRACKING_URI: {without_password(uri)} cannot be read ({first_line(error)})"
        ) from None


def read_sweep(client: Client, sweep: str, *, left_out: bool = False) -> list[TrialRun]:
    """Read the trials of a sweep, in its order.

    Args:
        client: client of the store.
        sweep: name of the sweep.
        left_out: whether to append the trials that the sweep's file no longer has.

    Raises:
        UserError: there is no such sweep; the message lists the existing ones.
    """
    experiment = client.get_experiment_by_name(sweep)
    if experiment is None:
        raise UserError(f"{sweep}: no such sweep; there are: {', '.join(sweeps(client)) or 'none'}")
    found = [replace(run, sweep=sweep) for run in search(client, experiment.experiment_id)]
    found.sort(key=lambda run: run.index)
    gone = [run for run in found if run.index == LEFT_OUT]
    return [run for run in found if run.index != LEFT_OUT] + (gone if left_out else [])


def sweeps(client: Client) -> list[str]:
    """Return the names of all sweeps in a tracking store, sorted."""
    experiments: list[Experiment] = client.search_experiments()
    return sorted(e.name for e in experiments if e.name != "Default")


def samples(client: Client, run: TrialRun, most: int) -> dict[int, bytes]:
    """Fetch sample grids (PNG) of a trial by step, spread over its training; the newest is last.

    Args:
        client: client of the store.
        run: run of the trial.
        most: maximum number of grids.
    """
    paths = sorted(item.path for item in client.list_artifacts(run.run_id, "samples"))
    count = min(most, len(paths))
    # Split the grids into ``count`` equal parts and take the last of each.
    chosen = [paths[(i + 1) * len(paths) // count - 1] for i in range(count)]
    with tempfile.TemporaryDirectory() as directory:
        return {
            # By URI: the client's own download looks up the run and takes 15 times as long.
            checkpoint.step_of(path): Path(
                download_artifacts(
                    artifact_uri=f"{run.artifacts}/{path}",
                    dst_path=directory,
                    tracking_uri=client.tracking_uri,
                )
            ).read_bytes()
            for path in chosen
        }


def curve(client: Client, run: TrialRun, metric: str) -> list[tuple[int, float]]:
    """Return all points (step, value) of a trial's metric, by step."""
    return sorted((m.step, m.value) for m in client.get_metric_history(run.run_id, metric))


@dataclass(frozen=True)
class Launched:
    """The last launch of a sweep."""

    command: str = ""
    trials: int = 0
    """Number of trials at that time, without those that a search has chosen since."""


def last_launch(client: Client, sweep: str) -> Launched:
    """Return the last launch of a sweep, as far as it is on record."""
    experiment = client.get_experiment_by_name(sweep)
    tags = experiment.tags if experiment else {}
    return Launched(tags.get(COMMAND, ""), int(tags.get(TRIALS, 0)))


def find_run(client: Client, run_id: str) -> TrialRun | None:
    """Read the run with an id; None if the store lacks it, or it is not a trial's."""
    try:
        found = client.get_run(run_id)
        if f"{PREFIX}key" not in found.data.tags:
            return None
        sweep = client.get_experiment(found.info.experiment_id).name
        return replace(_trial_run(found), sweep=sweep)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def fetch_generator(client: Client, run: TrialRun, directory: Path) -> Path | None:
    """Fetch a finished trial's generator into a directory.

    Returns:
        Directory with the generator and its config.json; None if the store has no generator.

    Raises:
        One of STORE_ERRORS: the store failed.
    """
    if not client.list_artifacts(run.run_id, GENERATOR):
        return None
    return Path(client.download_artifacts(run.run_id, GENERATOR, str(directory)))


def search(client: Client, experiment_id: str, key: str = "") -> list[TrialRun]:
    """Read the runs of a sweep's trials, or of the one trial with ``key``.

    MLflow's client duplicates a run if it repeats a request whose answer was lost; of duplicates,
    return the one with more steps.
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
    """Mask the password in a URI."""
    return re.sub(r"//([^:/@]*):[^@/]*@", r"//\1:***@", uri)


def _trial_run(run: Run) -> TrialRun:
    info, metrics = run.info, _metrics(run)
    return of_tags(
        run.data.tags, info.run_id, info.run_name, info.status, metrics, info.artifact_uri or ""
    )


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


def first_line(error: BaseException) -> str:
    """Return an error's first line, in at most 120 characters."""
    if "Max retries exceeded" in str(error):
        return "nothing answers there"
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return textwrap.shorten(line, 120, placeholder=" ...")
