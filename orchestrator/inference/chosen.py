"""Choice of a trained generator by command-line options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gan.control import ControlName
from gan.errors import UserError
from orchestrator.store.paths import Locations
from orchestrator.store.sweep_store import known_owner

if TYPE_CHECKING:
    from reports.generators import Choice


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
    """Options that choose a generator."""

    sweep: str | None
    run: str | None
    generator: Path | None
    wanted: Mapping[ControlName, float]
    """Targets given by the user."""

    def __post_init__(self) -> None:
        """Raise UserError if the options contradict each other."""
        if (self.sweep is None and self.run is None) == (self.generator is None):
            raise UserError("give one of --sweep, --run and --generator (--run also with --sweep)")


def choose(locations: Locations, into: Path, which: GeneratorOptions) -> Chosen:
    """Find the chosen generator; that of a run is fetched into the empty directory ``into``.

    Raises:
        UserError: there is none.
    """
    if which.generator is not None:
        return Chosen(which.generator, str(which.generator), which.wanted)
    from reports import generators
    from reports.store import default_uri

    uri = default_uri(locations.runs)
    if which.run is None:
        assert which.sweep is not None, "one of them is given"
        choice = generators.by_targets(uri, which.sweep, which.wanted, into, known_owner(locations))
    elif which.sweep is None:
        choice = generators.by_run(uri, which.run, into)
    else:
        choice = generators.by_name(uri, which.sweep, which.run, into, known_owner(locations))
    return Chosen(choice.generator, _shown(choice, which.wanted), which.wanted)


def _shown(choice: "Choice", wanted: Mapping[ControlName, float]) -> str:
    from reports.generators import distances

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
