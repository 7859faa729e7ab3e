"""Words that a shell completes: sweeps and sweep files."""

import click
from click.shell_completion import CompletionItem

from orchestrator.store.manifest import launched_sweeps
from orchestrator.store.paths import Locations, mirror_root
from orchestrator.sweep.spec import SHIPPED


def sweep_names(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the launched sweeps below --runs, or in the mirror of --storage, as last seen."""
    given = ctx.find_root().params
    locations = ctx.obj or Locations(given["runs"], given["storage"])
    root = locations.runs
    if locations.storage is not None:
        root = mirror_root(root, locations.storage)
    return _beginning(launched_sweeps(root), incomplete)


def sweep_files(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the shipped sweeps, beside which the shell completes files."""
    shipped = sorted(file.stem for file in SHIPPED.glob("*.yaml"))
    return [CompletionItem(incomplete, type="file"), *_beginning(shipped, incomplete)]


def _beginning(names: list[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
