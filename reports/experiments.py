"""Experiments of the tracking store: which is a sweep's, whose it is, where its artifacts lie."""

import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine, text

from gan.errors import UserError
from gan.plain_text import there_are
from reports.owner import ID, PLACE, SWEEP, Owner
from reports.runs import PREFIX

ARTIFACTS = "mlartifacts"
"""Directory of artifacts, beside the file of a SQLite store."""
LOCATION = re.compile(rf"file:.*/{ARTIFACTS}(/([^/]+)(?:/[^/]+/artifacts)?)")
"""Location of the artifacts of an experiment, or of a run, in a SQLite store."""

log = logging.getLogger(__name__)


class Client(MlflowClient):
    """Client of a tracking store."""

    def __init__(self, uri: str, owner: Owner | None = None) -> None:
        """Make a client for an owner of sweeps, or for a reader who has launched none."""
        super().__init__(uri)
        self.owner = owner


@dataclass(frozen=True)
class Claim:
    """Claim of a launch, or of a single trial, to the experiment of its sweep."""

    owner: Owner
    trials: Path
    """Directory of the sweep's trials on this machine."""
    rename: str
    """What the user can do if the name is another owner's."""
    is_shipped: bool = False
    """Whether the sweep is a shipped one, whose name the user did not choose."""


def find(client: Client, sweep: str) -> Experiment | None:
    """Find the experiment of a sweep: the client's owner's, or else the one of that name."""
    return _own(client, sweep) or client.get_experiment_by_name(sweep)


def require(client: Client, sweep: str) -> Experiment:
    """Return the experiment of a sweep.

    Raises:
        UserError: there is none; the message lists the existing ones.
    """
    if (experiment := find(client, sweep)) is not None:
        return experiment
    raise UserError(f"{sweep}: no such sweep{there_are(sweep, sweeps(client))}")


def sweeps(client: Client) -> list[str]:
    """Return the names of all experiments in a tracking store, sorted."""
    experiments: list[Experiment] = client.search_experiments()
    return sorted(e.name for e in experiments if e.name != "Default")


def warn_of_another(client: Client, experiment: Experiment) -> None:
    """Warn who launches from here that an experiment is another owner's."""
    if client.owner is not None and _is_anothers(client, experiment):
        line = "%s: this is the sweep of %s, not one from here"
        log.warning(line, experiment.name, _holder(experiment))


def require_own(client: Client, sweep: str) -> Experiment:
    """Return the experiment of a sweep, to be written to.

    Raises:
        UserError: there is none, or it is another owner's.
    """
    experiment = require(client, sweep)
    if _is_anothers(client, experiment):
        raise UserError(
            f"{sweep}: in the tracking store it is the sweep of {_holder(experiment)}; "
            "only from there can it be written to"
        )
    return _settled(client, experiment)


def holder_of_another(client: Client, sweep: str) -> str | None:
    """Return who else's the experiment of a sweep's name is, in words; None if it is nobody's.

    One from before owners were recorded is said to be nobody's: its trials tell whose it is.
    """
    if _own(client, sweep) is not None:
        return None
    found = client.get_experiment_by_name(sweep)
    return None if found is None or not _is_anothers(client, found) else _holder(found)


def of_another(sweep: str, holder: str, rename: str) -> UserError:
    """Return the refusal of a sweep whose name is another owner's, with the way to rename it."""
    return UserError(f"{sweep}: the tracking store has a sweep of this name, of {holder}; {rename}")


def claim_experiment(client: Client, sweep: str, claim: Claim) -> Experiment:
    """Return the experiment of a sweep, which is found, adopted or made for its owner.

    An experiment from before owners were recorded is adopted by the first owner that has one of
    its trials. Beside another owner's, a shipped sweep gets an experiment of a longer name.

    Raises:
        UserError: another owner has a sweep of this name.
        OSError: the experiment was deleted.
        MlflowException: the store failed.
    """
    owner = claim.owner
    experiment = _own(client, sweep)
    if experiment is None:
        experiment = _found_or_made(client, sweep, owner.tags(sweep))
        if claim.is_shipped and not _may_take(client, experiment, claim):
            experiment = _found_or_made(client, owner.apart(sweep), owner.tags(sweep))
        if not _may_take(client, experiment, claim):
            raise of_another(sweep, _holder(experiment), claim.rename)
    for tag, value in owner.tags(sweep).items():
        if experiment.tags.get(tag) != value:
            client.set_experiment_tag(experiment.experiment_id, tag, value)
    return _settled(client, experiment)


def located(uri: str, location: str) -> str:
    """Return where artifacts lie now: beside the file of a SQLite store if they moved with it.

    Args:
        uri: URI of the tracking store.
        location: location of the artifacts of an experiment, or of a run, as recorded there.
    """
    found = LOCATION.fullmatch(location)
    if (beside := _artifacts_beside(uri)) is None or found is None:
        return location
    there = (beside / unquote(found[2])).is_dir()
    return beside.as_uri() + found[1] if there else location


def _own(client: Client, sweep: str) -> Experiment | None:
    if client.owner is None:
        return None
    found = client.search_experiments(filter_string=f"tags.`{ID}` = '{client.owner.id}'")
    own = (e for e in found if e.tags.get(SWEEP) == sweep and _is_own(client, e))
    return next(own, None)


def _is_own(client: Client, experiment: Experiment) -> bool:
    return client.owner is not None and client.owner.owns(experiment.tags, client.tracking_uri)


def _is_anothers(client: Client, experiment: Experiment) -> bool:
    return ID in experiment.tags and not _is_own(client, experiment)


def _holder(experiment: Experiment) -> str:
    if ID not in experiment.tags:
        return "another directory, from before owners were recorded"
    created = (experiment.creation_time or 0) / 1000
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(created))
    return f"{experiment.tags.get(PLACE)}, since {since}"


def _found_or_made(client: Client, name: str, tags: dict[str, str]) -> Experiment:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = None
        if (beside := _artifacts_beside(client.tracking_uri)) is not None:
            (beside / name).mkdir(parents=True, exist_ok=True)
            location = (beside / name).as_uri()
        try:
            client.create_experiment(name, location, tags)
        except MlflowException:
            # Another launch may have made it meanwhile.
            if client.get_experiment_by_name(name) is None:
                raise
        experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage == "deleted":
        raise OSError("it was deleted; restore or remove it in MLflow")
    return experiment


def _may_take(client: Client, experiment: Experiment, claim: Claim) -> bool:
    """Whether an experiment is the client's owner's, or was made before owners were recorded."""
    if ID in experiment.tags:
        return _is_own(client, experiment)
    if claim.owner.has_below(client.tracking_uri):
        return True
    runs = client.search_runs([experiment.experiment_id])
    keys = [run.data.tags.get(f"{PREFIX}key") for run in runs]
    return not runs or any(key and (claim.trials / key).is_dir() for key in keys)


def _settled(client: Client, experiment: Experiment) -> Experiment:
    """Record where the artifacts of an experiment lie now, before anything is written to it.

    A SQLite store records absolute locations: those of a copy would be the original's.
    """
    uri, before = client.tracking_uri, experiment.artifact_location
    beside, found = _artifacts_beside(uri), LOCATION.fullmatch(before)
    if beside is None or found is None:
        return experiment
    if client.owner is not None and client.owner.has_below(uri):
        (beside / unquote(found[2])).mkdir(parents=True, exist_ok=True)
    if (now := located(uri, before)) == before:
        return experiment
    which = {"id": int(experiment.experiment_id), "now": now, "before": before}
    engine = create_engine(uri)
    with engine.begin() as transaction:
        transaction.execute(
            text("UPDATE experiments SET artifact_location = :now WHERE experiment_id = :id"), which
        )
        transaction.execute(
            text(
                "UPDATE runs SET artifact_uri = :now || substr(artifact_uri, length(:before) + 1)"
                " WHERE experiment_id = :id AND substr(artifact_uri, 1, length(:before)) = :before"
            ),
            which,
        )
    engine.dispose()
    return client.get_experiment(experiment.experiment_id)


def _artifacts_beside(uri: str) -> Path | None:
    """Return the directory of artifacts beside the file of a SQLite store; None for others."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///")).absolute().parent / ARTIFACTS
