"""Choice of trained generators by command-line options."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gan import checkpoint
from gan.config import TrainConfig
from gan.control import ControlName
from gan.errors import UserError
from gan.pretrained import PRETRAINED, PRETRAINED_TARGETS
from orchestrator.store.paths import Locations
from orchestrator.store.sweep_store import known_owner

if TYPE_CHECKING:
    from reports.trial_generators import Choice


@dataclass(frozen=True)
class Chosen:
    """Generator on the local disk."""

    path: Path
    shown: str
    """Line for people: the generator, and its distance from each wanted target."""
    wanted: Mapping[ControlName, float] = field(default_factory=dict)
    """Targets given by the user."""


@dataclass(frozen=True)
class GeneratorOptions:
    """Options that choose a generator for each of several combinations of targets."""

    sweep: str | None
    run: str | None
    generator: Path | None
    combinations: Sequence[Mapping[ControlName, float]]
    """Targets given by the user; one of none, if none is given."""

    def __post_init__(self) -> None:
        """Raise UserError if the options contradict each other."""
        if self.generator is not None and (self.sweep is not None or self.run is not None):
            raise UserError(
                "give only one of --sweep, --run and --generator (--run also with --sweep)"
            )


def choose(locations: Locations, into: Path, which: GeneratorOptions) -> list[Chosen]:
    """Find the generator for each combination; those of runs are fetched into ``into``.

    Without an option it is the generator that comes along.

    Raises:
        UserError: there is none.
    """
    if which.generator is not None:
        shown = f"{which.generator}{_unfinished(which.generator)}"
        return [Chosen(which.generator, shown, wanted) for wanted in which.combinations]
    if which.sweep is None and which.run is None:
        return [Chosen(PRETRAINED, _pretrained(wanted), wanted) for wanted in which.combinations]
    # These import MLflow, which takes seconds.
    from reports import trial_generators
    from reports.store import default_uri

    uri, each = default_uri(locations.runs), which.combinations
    owner = known_owner(locations)
    if which.run is None:
        assert which.sweep is not None, "one of them is given"
        choices = trial_generators.by_targets(uri, which.sweep, each, into, owner)
    elif which.sweep is None:
        choices = [trial_generators.by_run(uri, which.run, into)] * len(each)
    else:
        choices = [trial_generators.by_name(uri, which.sweep, which.run, into, owner)] * len(each)
    return [
        Chosen(choice.generator, _shown(choice, wanted), wanted)
        for choice, wanted in zip(choices, each, strict=True)
    ]


def _unfinished(trial: Path) -> str:
    """Return in words how far the training of a trial's directory is, if it has not ended."""
    # The one whose generator is loaded.
    names = checkpoint.GENERATOR, checkpoint.CONFIG, checkpoint.TRIAL
    if (found := checkpoint.newest(trial, *names)) is None:
        return ""
    with suppress(ValueError):  # of another version; loading it tells
        config = TrainConfig.model_validate_json(found.files[checkpoint.CONFIG])
        step, total = found.trial["step"], config.total_steps(found.trial["images"])
        return f"; not finished: step {step} of {total}" if step < total else ""
    return ""


def _pretrained(wanted: Mapping[ControlName, float]) -> str:
    told = ["the one that comes with colorsweep; neither --sweep nor --generator is given"]
    if not wanted:
        assumed = " and ".join(f"{name} {value:g}" for name, value in PRETRAINED_TARGETS.items())
        told.append(f"no number is given: {assumed}")
    others = [name for name in wanted if name not in PRETRAINED_TARGETS]
    told += [f"{name} is met by exact control alone" for name in others]
    return "; ".join(told)


def _shown(choice: "Choice", wanted: Mapping[ControlName, float]) -> str:
    from reports.trial_generators import distances

    config = choice.run.config
    known = {name: value for name, value in wanted.items() if name in config.controls}
    away = distances(choice.run, known)

    def how(name: ControlName) -> str:
        distance = away.get(name)
        if distance is None or (config.recolour and config.controls[name].is_any):
            return "met by exact control alone"
        if name in config.conditions:
            given = f"{distance:.3g} outside what it was trained for"
            return "which it is given" if distance < 1e-6 else given
        return "its target" if distance < 1e-6 else f"{distance:.3g} away from its target"

    told = [f"{name} {value:g} is wanted, {how(name)}" for name, value in wanted.items()]
    if choice.passed:
        told.append(f"no generator in the tracking store of {', '.join(choice.passed)}")
    return "; ".join([f"{choice.run.name} (run {choice.run.run_id})", *told])
