"""Command line: the group of commands, and one-line messages for user errors."""

import errno
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from gan.errors import UserError
from gan.plain_text import cut, plain
from orchestrator.commands.bench import bench
from orchestrator.commands.colorize import colorize
from orchestrator.commands.demo import demo
from orchestrator.commands.export import export
from orchestrator.commands.launch import launch
from orchestrator.commands.report import report
from orchestrator.commands.shared_options import command_options, program_options, set_verbosity
from orchestrator.commands.status import status
from orchestrator.commands.stop import stop
from orchestrator.commands.submit import submit, submitted
from orchestrator.commands.terminal import fail, keep_plain
from orchestrator.commands.train import train
from orchestrator.store.paths import Locations

log = logging.getLogger(__name__)
UNUSABLE = {errno.ENAMETOOLONG, errno.EACCES}
"""Errors of a path of the user's, raised by a mere check whether it exists."""
HELP: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What newer releases of click raise to show the help of a group without a command."""


class _Refused(click.ClickException):
    """Refusal of options before the command, in one line."""

    exit_code = 2


class _Group(click.Group):
    """Command group that reports a ``UserError`` in one line and exits with code 2.

    A wrong option, and a path that is too long or not accessible, are the user's mistakes, too.
    """

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        try:
            with _one_line_usage_errors():
                return super().make_context(*args, **options)
        except UserError as error:
            raise _Refused(plain(str(error))) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _one_line_usage_errors():
                return super().invoke(ctx)
        except UserError as error:
            for line in error.lines:
                fail(line)
        except OSError as error:
            if error.errno not in UNUSABLE:
                raise
            fail(f"{cut(str(error.filename), 120)}: cannot be used ({error.strerror})")
        ctx.exit(2)


@contextmanager
def _one_line_usage_errors() -> Iterator[None]:
    """Raise UserError instead of click's errors of usage; its help stays help."""
    try:
        yield
    except HELP:
        raise
    except click.NoSuchOption as error:
        # click suggests what is alike, but nothing as much longer as --saturation is than --sat.
        options = error.ctx.command.params if error.ctx else []
        longer = [o for option in options for o in option.opts if o.startswith(error.option_name)]
        meant = " or ".join((longer or [*(error.possibilities or ())])[:3])
        hint = f" Did you mean {meant}?" if meant else ""
        raise UserError(f"No such option {error.option_name!r}.{hint}") from None
    except click.UsageError as error:
        raise UserError(error.format_message()) from None


@click.group(
    cls=_Group,
    params=program_options(),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.pass_context
def main(ctx: click.Context, runs: Path, storage: str | None) -> None:
    """Train colorization GANs whose output obeys numbers, and compare them.

    The options below may stand after the command, too.
    """
    keep_plain()
    set_verbosity(ctx)
    try:
        Path.home()  # many libraries ask for it, some of them on import
    except RuntimeError:
        raise UserError(
            f"HOME: is not set, and user {os.getuid()} has no home; set it to a directory"
        ) from None
    try:
        Path.cwd()  # they ask for it, too
    except FileNotFoundError:
        raise UserError("the current directory was removed; change to another") from None
    ctx.obj = Locations(runs, storage)
    log.debug("colorsweep %s, Python %s", version("colorsweep"), platform.python_version())


OF_SWEEPS = launch, submit, submitted, status, stop, report, train, bench
OF_PICTURES = colorize, demo, export
for command in (*OF_SWEEPS, *OF_PICTURES):
    command.params += command_options()
    main.add_command(command)


if __name__ == "__main__":
    main()
