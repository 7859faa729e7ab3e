"""Source, user, commit, dataset and origin of a run, where users of MLflow look for them."""

import json
from collections.abc import Mapping
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.tracking.context.git_context import GitRunContext
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_GIT_COMMIT, MLFLOW_GIT_DIRTY

from gan.config import TrainConfig
from gan.data.identity import path_of
from gan.plain_text import plain
from reports.experiments import Client, find
from reports.runs import PREFIX, TrialRun
from reports.store import search

DIGEST_LETTERS = 36
"""MLflow's limit for the digest of a dataset; ours has 64."""


def source_tags() -> dict[str, str]:
    """Return the tags of the user and the source of new runs, as MLflow itself finds them.

    They include those of the environment variable MLFLOW_RUN_CONTEXT, and of MLflow's plugins.
    """
    # MLflow would take the commit of whatever repository the installed program lies in.
    found = resolve_tags(ignore=[GitRunContext])  # type: ignore[list-item]  # MLflow's own slip
    return {name: plain(str(value)) for name, value in found.items()}


def commit_tags(versions: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of the commit with which a trial is trained; empty without a checkout.

    Args:
        versions: versions of the software that trains it (``gan.versions``).
    """
    if not (commit := versions.get("commit")):
        return {}
    is_dirty = commit.endswith("-dirty")
    return {
        MLFLOW_GIT_COMMIT: commit.removesuffix("-dirty"),
        MLFLOW_GIT_DIRTY: str(is_dirty).lower(),
    }


def origin_tags(client: Client, run: TrialRun) -> dict[str, str]:
    """Return the tag that names the run which a trial was taken over from, if there is one.

    Args:
        client: client of the store.
        run: run of the trial.
    """
    if run.lineage is None:
        return {}
    if (experiment := find(client, run.lineage.sweep)) is None:
        return {}
    found = search(client, experiment.experiment_id, run.key, tell=lambda line: None)
    return {f"{PREFIX}taken_over_run": each.run_id for each in found if each.began == run.began}


def dataset_input(config: TrainConfig, trial: Mapping[str, Any]) -> DatasetInput:
    """Return the dataset of a trial as an input of its run.

    A dataset of the user's own is called like its file or directory. The digest is the beginning of
    the trial's own, the source the path on this machine, the size the number of training images.

    Args:
        config: config of the trial.
        trial: trial.json of its newest checkpoint.
    """
    path = path_of(config).absolute()
    name = config.dataset if config.dataset_path is None else path.name or config.dataset
    size = {"training_images": trial["images"], "image_size": config.image_size}
    dataset = Dataset(
        name=plain(name),
        digest=trial["dataset_digest"][:DIGEST_LETTERS],
        source_type="local",
        source=json.dumps({"uri": path.as_uri()}),
        profile=json.dumps(size),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, "training")])
