"""Terminal: every line that commands print leaves the program here, in plain text."""

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from gan.plain_text import cut, masked, plain, printable

LONGEST = 3000
"""Characters of an error message, at most; one that lists all settings has about 1,000."""

QUIET = "colorsweep.quiet"
"""Name under which a command's context keeps whether -q was given."""


def is_quiet() -> bool:
    """Whether errors and results alone are to be printed."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(QUIET))


def note(line: object) -> None:
    """Print one line on stderr that is no result, unless -q was given."""
    if not is_quiet():
        say(line, err=True)


def say(line: object, *, err: bool = False) -> None:
    """Print one line; control characters in it, as names may have, are shown instead of sent."""
    click.echo(printable(str(line)), err=err)


def fail(message: object) -> None:
    """Print one line about an error on stderr, at most ``LONGEST`` characters of it."""
    click.echo(f"Error: {cut(plain(str(message)), LONGEST)}", err=True)


class Screen(Console):
    """Console of rich that shows every string as it is: no markup, emoji or control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Convert a string, which is one line, to a Text instance."""
        return super().render_str(printable(text), **options)


def keep_plain() -> None:
    """Have log lines, of other libraries too, and tracebacks in this process masked."""
    logging.setLogRecordFactory(_PlainRecord)
    sys.excepthook = _show_traceback


class _PlainRecord(logging.LogRecord):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.exc_info and self.exc_info[1] is not None:
            self.exc_text = _traceback(self.exc_info[1])

    def getMessage(self) -> str:
        return plain(super().getMessage())


def _show_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    print(_traceback(error), file=sys.stderr)


def _traceback(error: BaseException) -> str:
    lines = masked("".join(traceback.format_exception(error))).splitlines()
    return "\n".join(map(printable, lines))
