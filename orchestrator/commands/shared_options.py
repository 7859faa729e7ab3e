"""Options that stand before or after any command: --runs, --storage, -q and -v."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gan.errors import UserError
from gan.plain_text import masked
from orchestrator.commands.terminal import QUIET
from orchestrator.store.paths import Locations
from orchestrator.worker.installed import installed

LOGGERS = [logging.getLogger(name) for name in ("gan", "orchestrator", "reports")]
VERBOSE = "colorsweep.verbose"
"""Name under which a command's context keeps whether -v was given."""
PATH = click.Path(path_type=Path, file_okay=False)


class _OneValue(click.Option):
    """Option that may be given again only with the same value, and has one in the environment."""

    def __init__(self, names: Sequence[str], **options: Any) -> None:
        super().__init__(names, multiple=True, **options)

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """Return the variable as the one value that it is, whatever separators it has."""
        value = self.resolve_envvar_value(ctx)
        return None if value is None else (value,)


def one_value(option: click.Parameter, values: Sequence[Any]) -> Any:
    """Return the value of an option, or None.

    Raises:
        UserError: it was given several.
    """
    if len(set(values)) > 1:
        given = " and ".join(masked(str(value)) for value in dict.fromkeys(values))
        raise UserError(f"--{option.name}: given as {given}; give one of them")
    return values[0] if values else None


def _of_program(_ctx: click.Context, option: click.Parameter, values: Sequence[Any]) -> Any:
    return one_value(option, values)


def _of_command(ctx: click.Context, option: click.Parameter, values: Sequence[Any]) -> None:
    """Change the locations that the command is given."""
    program = ctx.find_root()
    if not values or option.name is None:
        return
    if ctx.obj is None:  # while a shell completes a word
        ctx.obj = Locations(program.params["runs"], program.params["storage"])
    if program.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
        values = (program.params[option.name], *values)
    ctx.obj = replace(ctx.obj, **{option.name: one_value(option, values)})


def _keep(ctx: click.Context, option: click.Parameter, given: bool) -> None:
    """Keep a flag; one after a command acts at once, and those before it once all are known."""
    if given:
        ctx.meta[QUIET if option.name == "quiet" else VERBOSE] = True
        if ctx.parent is not None:
            set_verbosity(ctx)


def set_verbosity(ctx: click.Context) -> None:
    """Let our loggers write what -q or -v asks for, until the program's context ends.

    Raises:
        UserError: both were given.
    """
    quiet, verbose = (bool(ctx.meta.get(flag)) for flag in (QUIET, VERBOSE))
    if quiet and verbose:
        raise UserError("-q with -v: give one of them")
    if not (quiet or verbose) or ctx.meta.get(__name__):
        return
    ctx.meta[__name__] = True
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for logger in LOGGERS:
        ctx.find_root().call_on_close(lambda logger=logger, old=logger.level: logger.setLevel(old))
        logger.setLevel(logging.DEBUG if verbose else logging.ERROR)
        if verbose:
            logger.addHandler(handler)
            ctx.find_root().call_on_close(lambda logger=logger: logger.removeHandler(handler))


_QUIET = "Print errors and results alone."
_VERBOSE = "Log to stderr what is done, for debugging."


def _say_version(ctx: click.Context, _option: click.Parameter, given: bool) -> None:
    """Print the version, with the digest by which the nodes of a cluster are compared."""
    if given:
        click.echo(f"colorsweep {installed()}")
        ctx.exit()


def program_options() -> list[click.Option]:
    """Return the options as they stand before a command."""
    return [
        _OneValue(
            ["--runs"],
            type=PATH,
            callback=_of_program,
            default=["runs"],
            envvar="COLORSWEEP_RUNS",
            show_default=True,
            show_envvar=True,
            help="Directory for checkpoints, the tracking store and reports.",
        ),
        _OneValue(
            ["--storage"],
            callback=_of_program,
            metavar="URI",
            envvar="COLORSWEEP_STORAGE",
            show_envvar=True,
            help="Object store for the checkpoints of launched trials, instead of --runs:"
            " s3://BUCKET/PREFIX or gs://BUCKET/PREFIX.",
        ),
        *_flags(),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_say_version,
            help="Show the version and a digest of the source files, and exit.",
        ),
    ]


def command_options() -> list[click.Option]:
    """Return the same options as they stand after a command."""
    return [
        _OneValue(
            ["--runs"],
            type=PATH,
            callback=_of_command,
            expose_value=False,
            help="Directory for all output, as before the command.",
        ),
        _OneValue(
            ["--storage"],
            callback=_of_command,
            expose_value=False,
            metavar="URI",
            help="Object store for checkpoints, as before the command.",
        ),
        *_flags(),
    ]


def _flags() -> list[click.Option]:
    return [
        click.Option(
            ["-q", "--quiet"], is_flag=True, expose_value=False, callback=_keep, help=_QUIET
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=_keep,
            help=_VERBOSE,
        ),
    ]
