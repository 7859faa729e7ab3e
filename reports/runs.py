"""Trials as recorded in a tracking store, and as the tags and params of their runs."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from pydantic import TypeAdapter

from gan.config import TrainConfig
from gan.plain_text import plain, printable
from reports.lineage import Lineage
from reports.names import shown_names
from reports.phase import TrialPhase

PREFIX = "colorsweep."
EVALUATED = "eval/"
"""Prefix of the names of an evaluation's metrics."""
TAKEN_OVER_FROM = "taken_over_from"
LEFT_OUT = -1
MOST = 1e15
"""Limit of the counts and times in tags; no training comes near."""
LARGEST = 3.5e38
"""Limit of metrics, that of float32. MLflow stores an infinite one as 1.8e308."""
Value = TypeVar("Value")


class UnusableRun(Exception):
    """A run of which no trial can be made; the message names the tag that is wrong."""


@dataclass(frozen=True)
class TrialRun:
    """A trial as recorded in the tracking store."""

    run_id: str
    key: str
    name: str
    index: int
    """Position in the sweep; ``LEFT_OUT`` if the sweep's file no longer has it."""
    status: str
    """Status of the MLflow run, written after everything else."""
    phase: TrialPhase
    reason: str
    """Reason for a failure, or for being stopped by a scheduler; otherwise empty."""
    config: TrainConfig
    run_name: str = ""
    """Name of the MLflow run: the trial's, but what differs among the trials comes first."""
    step: int = 0
    total_steps: int = 0
    """0 before the first checkpoint."""
    epoch: float = 0.0
    seconds: float = 0.0
    """Time spent on steps that counted, with their evaluations."""
    step_seconds: float = 0.0
    """The same without the evaluations."""
    device: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    """Newest value of each metric."""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of the software that trains it (``gan.versions``), if there is a checkpoint."""
    dataset_digest: str = ""
    began: int = 0
    """Time (ms) of the first point of its history; 0 if it is not known."""
    restarts: int = 0
    """Number of restarts after deaths."""
    goodput: float | None = None
    """Share of its time on workers that was spent on steps that counted."""
    lineage: Lineage | None = None
    """Origin, if the trial was taken over from another sweep."""
    artifacts: str = ""
    """URI of the run's artifacts."""
    other_pictures: bool = False
    """Whether most of the report's trials of this dataset and path had other pictures."""
    sweep: str = ""
    """Name of the sweep that it was read from."""
    whole: "TrialRun | None" = None
    """The trial itself, if this is a view of an any-target trial (``reports.views``)."""

    @property
    def origin(self) -> "TrialRun":
        """The trial that was trained."""
        return self.whole or self

    @cached_property
    def recipe_key(self) -> str:
        """Key shared by the trials, or views at one target, that differ only in their seed."""
        own = self.config.model_copy(update={"seed": 0}).key()
        # A view's own config equals that of a trial with fixed targets; its trial's key differs.
        return own if self.whole is None else f"{own}-{self.whole.recipe_key}"

    @cached_property
    def pictures_key(self) -> str:
        """Key shared by the trials that are measured on the same held-out images."""
        config = self.config
        dataset = self.dataset_digest or f"{config.dataset} {config.dataset_path}"
        parts = (dataset, config.image_size, config.eval_images, config.eval_half)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:10]

    @property
    def measured(self) -> bool:
        """Whether its colorizations of held-out images were measured."""
        return "eval/mae" in self.metrics

    def is_finished_as(self, name: str, run_name: str, index: int, config: TrainConfig) -> bool:
        """Whether the run has all data of this finished trial: its status is written last."""
        return self.status == "FINISHED" and (
            (self.name, self.run_name, self.index, self.config) == (name, run_name, index, config)
        )

    def has_generator_of(self, trial: Mapping[str, Any]) -> bool:
        """Whether the run has the generator of a finished trial with this trial.json.

        It was sent before the tags of its step and phase, and those before the status.
        """
        was_finished = self.phase is TrialPhase.FINISHED and self.status == "FINISHED"
        return was_finished and self.is_of(trial) and self.step == trial["step"]

    def is_of(self, trial: Mapping[str, Any]) -> bool:
        """Whether the run is of the training that a checkpoint with this trial.json belongs to.

        A trial that was trained anew has other pictures, or made its first point at another time.
        A run of an earlier version, or one before its first point, may lack them.
        """
        pictures = {self.dataset_digest, trial["dataset_digest"]} - {""}
        began = {self.began, began_of(trial)} - {0}
        return len(pictures) < 2 and len(began) < 2


def began_of(trial: Mapping[str, Any]) -> int:
    """Return the time (ms) of the first point in a trial.json; 0 if it has none."""
    return next((int(point["time"]) for point in trial["history"]), 0)


def own_steps(config: TrainConfig, phase: TrialPhase, step: int, total_steps: int | None) -> bool:
    """Whether a trial trains its steps itself.

    A recoloured trial takes over those of its baseline, and trains only what that has not. While it
    waits or starts, the steps of its checkpoint are the baseline's, which goes on first.
    """
    begun = phase not in (TrialPhase.WAITING, TrialPhase.STARTING)
    return not config.recolour or (begun and 0 < step < (total_steps or 0))


def as_shown(runs: Sequence[TrialRun]) -> list[TrialRun]:
    """Name trials by what differs among them (``reports.names``).

    Where only their versions of colorsweep differ, which trained other things, their keys do.
    """
    groups = [(run.sweep, run.index == LEFT_OUT) for run in runs]
    names = shown_names([run.name for run in runs], [run.config for run in runs], groups)
    counts = Counter((run.sweep, name) for run, name in zip(runs, names, strict=True))
    return [
        replace(run, name=name + f", key={run.key}" * (counts[run.sweep, name] > 1))
        for run, name in zip(runs, names, strict=True)
    ]


def tags_of(run: TrialRun) -> dict[str, str]:
    """Return the tags that describe a trial."""
    fields = {
        "key": run.key,
        "name": run.name,
        "index": run.index,
        "phase": run.phase,
        "reason": run.reason,
        "config": run.config.model_dump_json(),
        "step": run.step,
        "total_steps": run.total_steps,
        "epoch": run.epoch,
        "seconds": run.seconds,
        "step_seconds": run.step_seconds,
        "device": run.device,
        "versions": json.dumps(run.versions),
        "dataset_digest": run.dataset_digest,
        "began": run.began,
        "restarts": run.restarts,
        "goodput": "" if run.goodput is None else run.goodput,
    }
    if run.lineage is not None:
        fields |= {TAKEN_OVER_FROM: run.lineage.sweep, "taken_over_step": run.lineage.step}
    return {PREFIX + name: str(value) for name, value in fields.items()}


def of_tags(
    tags: Mapping[str, str],
    run_id: str,
    run_name: str,
    status: str,
    metrics: dict[str, float],
    artifacts: str,
) -> TrialRun:
    """Build a trial from the tags that ``tags_of`` returned and the other data of its run.

    Args:
        tags: tags of the run.
        run_id: id of the run in the store.
        run_name: name of the run.
        status: status of the run.
        metrics: newest value of each metric; what cannot have been measured is left out.
        artifacts: URI of the run's artifacts.

    Raises:
        UnusableRun: a tag is missing or has no value that it can have.
    """

    def read(tag: str, parse: Callable[[str], Value]) -> Value:
        try:
            text = tags[PREFIX + tag]
        except KeyError:
            raise UnusableRun(f"its tag {PREFIX}{tag} is missing") from None
        try:
            return parse(text)
        except ValueError:
            shown = plain(text if len(text) <= 40 else f"{text[:40]} ...")
            raise UnusableRun(f"its tag {PREFIX}{tag} cannot be '{shown}'") from None

    # Not in runs of older versions.
    phase, steps, began = f"{PREFIX}phase", f"{PREFIX}step_seconds", f"{PREFIX}began"
    lineage = None
    if f"{PREFIX}{TAKEN_OVER_FROM}" in tags:
        lineage = Lineage(read(TAKEN_OVER_FROM, printable), read("taken_over_step", _count))
    return TrialRun(
        run_id=run_id,
        key=read("key", _word),
        name=printable(tags.get(f"{PREFIX}name", run_name)),
        run_name=run_name,
        index=read("index", lambda text: LEFT_OUT if text == str(LEFT_OUT) else _count(text)),
        status=status,
        phase=read("phase", TrialPhase) if phase in tags else _phase_of(tags, status),
        reason=plain(tags.get(f"{PREFIX}reason", "")),
        config=read("config", TrainConfig.model_validate_json),
        step=read("step", _count),
        total_steps=read("total_steps", _count),
        epoch=read("epoch", _amount),
        seconds=read("seconds", _amount),
        step_seconds=read("step_seconds", _amount) if steps in tags else 0.0,
        device=read("device", printable),
        metrics={name: value for name, value in metrics.items() if is_measured(value)},
        artifacts=artifacts,
        lineage=lineage,
        versions=read("versions", _VERSIONS.validate_json),
        dataset_digest=read("dataset_digest", printable),
        began=read("began", _count) if began in tags else 0,
        restarts=read("restarts", _count),
        goodput=read("goodput", lambda text: _amount(text) if text else None),
    )


_VERSIONS = TypeAdapter(dict[str, str])


def _word(text: str) -> str:
    if not text.isalnum():
        raise ValueError
    return text


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value <= MOST:
        raise ValueError
    return value


def _amount(text: str) -> float:
    value = float(text)
    if not 0 <= value <= MOST:  # neither is nan
        raise ValueError
    return value


def is_measured(value: float) -> bool:
    """Whether a metric's value is a number that can have been measured: finite, as a float32."""
    return math.isfinite(value) and abs(value) <= LARGEST


def _phase_of(tags: Mapping[str, str], status: str) -> TrialPhase:
    """Return the phase of a run from before it was a tag, from MLflow's status."""
    killed = TrialPhase.PRUNED if tags.get(f"{PREFIX}reason") else TrialPhase.STOPPED
    known = (TrialPhase.FINISHED, TrialPhase.FAILED, TrialPhase.RUNNING)
    return {phase.run_status: phase for phase in known}.get(status, killed)


def params_of(config: TrainConfig) -> dict[str, str]:
    """Return the settings of a trial, except its length: a run's params cannot change."""
    values = config.model_dump(mode="json", exclude={"controls", "steps", "epochs"})
    for name, control in config.controls.items():
        values |= {f"{name}.{field}": value for field, value in control.model_dump().items()}
    return {name: str(value) for name, value in values.items() if value is not None}
