"""Finished generators of a sweep as versions of a registered model that has the sweep's name.

A version points to the artifacts of its trial's run, and its tags name the trial and its targets.
The alias of each trial's newest version is the trial's key: ``models:/SWEEP@KEY``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gan import checkpoint
from gan.config import TrainConfig
from gan.errors import UserError
from gan.plain_text import first_line
from reports.experiments import Client, require_own
from reports.fetch import fetch_all
from reports.generator_files import GENERATOR, recorded_digest
from reports.owner import Owner
from reports.phase import TrialPhase
from reports.runs import PREFIX, TrialRun
from reports.store import STORE_ERRORS, opened, search

EXPERIMENT = f"{PREFIX}experiment"
"""Tag of a registered model and its versions: id of the sweep's experiment."""
KEY = f"{PREFIX}key"
NAME = f"{PREFIX}name"
DIGEST = f"{PREFIX}generator"
"""Tag of a version: SHA-256 of its generator.safetensors."""
REPLACED_BY = f"{PREFIX}replaced_by"
"""Tag of a version whose trial has a newer one: the number of that one."""


@dataclass(frozen=True)
class Registered:
    """Outcome of a registration."""

    model: str
    """Name of the registered model."""
    new: int
    """Number of versions that were made."""
    trials: int
    """Number of trials that have a version now."""
    absent: Sequence[str]
    """Names of finished trials without a generator in the store."""

    def __str__(self) -> str:
        """Return a line for people."""
        missing = f"; without a generator there: {', '.join(self.absent)}" if self.absent else ""
        if not self.trials:
            return f"{self.model}: no generator to register yet{missing}"
        many = "generators as versions" if self.trials > 1 else "generator as a version"
        return (
            f"registered: {self.trials} {many} of the model {self.model!r}, {self.new} of them new"
            f"{missing}"
        )


def register_all(uri: str, sweeps: Sequence[str], owner: Owner | None = None) -> list[Registered]:
    """Register the generators of some sweeps of an owner.

    Raises:
        UserError: the store does not exist or fails, or ``register`` refuses a sweep.
    """
    with opened(uri, owner) as client:
        return [register(client, sweep) for sweep in sweeps]


def register(client: Client, sweep: str) -> Registered:
    """Give the newest generator of each finished trial a version, unless it has one.

    A trial that left the sweep's file is left out. The registry is that of MLFLOW_REGISTRY_URI, by
    default of the tracking store.

    Raises:
        UserError: there is no such sweep, it is another owner's, the registry has another model of
            its name, or takes no model of such a name.
        One of STORE_ERRORS: the store failed; repeat the call later to continue.
    """
    experiment = require_own(client, sweep)
    runs = search(client, experiment.experiment_id)
    runs = sorted((run for run in runs if run.phase is TrialPhase.FINISHED), key=lambda r: r.index)
    runs = [run for run in runs if run.index >= 0]
    digests = fetch_all(lambda run: recorded_digest(client, run, checkpoint.GENERATOR), runs)
    found = [(run, digest) for run, digest in zip(runs, digests, strict=True) if digest]
    absent = [run.name for run, digest in zip(runs, digests, strict=True) if not digest]
    name = str(experiment.name)
    if not found:
        return Registered(name, 0, 0, absent)
    aliases = _aliases(client, name, experiment.experiment_id)
    known = _versions(client, name, experiment.experiment_id)
    new = 0
    for run, digest in found:
        of_trial = [version for version in known if version.key == run.key]
        same = [each for each in of_trial if each.generator == (run.run_id, digest)]
        if same:
            newest = same[0].number
        else:
            newest = _add(client, name, experiment.experiment_id, run, digest)
            new += 1
        if aliases.get(run.key) != newest:
            client.set_registered_model_alias(name, run.key, newest)
        for old in of_trial:
            if old not in same and old.replaced_by != newest:
                client.set_model_version_tag(name, old.number, REPLACED_BY, newest)
    return Registered(name, new, len(found), absent)


@dataclass(frozen=True)
class _Version:
    """A version of the model, as far as it matters here."""

    number: str
    key: str
    """Key of its trial."""
    generator: tuple[str, str]
    """Run and SHA-256 of its generator."""
    replaced_by: str


def _add(client: Client, name: str, experiment: str, run: TrialRun, digest: str) -> str:
    """Add a version for a trial's generator; return its number."""
    of_trial = {EXPERIMENT: experiment, KEY: run.key, NAME: run.name, DIGEST: digest}
    tags = of_trial | targets_of(run.config)
    source = f"runs:/{run.run_id}/{GENERATOR}"  # by run, since its artifacts may move
    made = client.create_model_version(name, source, run.run_id, tags, description=run.run_name)
    return str(made.version)


def _aliases(client: Client, name: str, experiment: str) -> Mapping[str, str]:
    """Return the aliases in the sweep's registered model, which is made if there is none."""
    try:
        model = client.get_registered_model(name)
    except STORE_ERRORS:
        tags, description = {EXPERIMENT: experiment}, "Generators of a sweep of colorsweep."
        try:
            model = client.create_registered_model(name, tags, description)
        except STORE_ERRORS as error:
            raise UserError(f"{name}: cannot be registered ({first_line(error)})") from None
    if model.tags.get(EXPERIMENT) != experiment:
        raise UserError(
            f"{name}: the registry has a model of this name that is not of this sweep; rename one"
        )
    return {alias: str(number) for alias, number in model.aliases.items()}


def _versions(client: Client, name: str, experiment: str) -> list[_Version]:
    """List the versions of the sweep's model."""
    found = []
    token = None
    which = f"tags.`{EXPERIMENT}` = '{experiment}'"  # the model's name may have quotes
    while True:
        page = client.search_model_versions(which, page_token=token)
        for each in page:
            if each.name == name:
                of, generator = each.tags, (each.run_id or "", each.tags.get(DIGEST, ""))
                key, replaced_by = of.get(KEY, ""), of.get(REPLACED_BY, "")
                found.append(_Version(str(each.version), key, generator, replaced_by))
        if not (token := page.token):
            return found


def targets_of(config: TrainConfig) -> dict[str, str]:
    """Return the target of each control as text: a number, ``any``, or a range: ``0.2 to 0.8``."""
    found = {}
    for name, control in config.controls.items():
        if not control.is_any:
            found[str(name)] = f"{control.wanted:.12g}"
        elif (control.min, control.max) == (None, None):
            found[str(name)] = "any"
        else:
            found[str(name)] = "{:.12g} to {:.12g}".format(*control.bounds(name))
    return found
