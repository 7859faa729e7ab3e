"""Errors that the user can fix, each shown as one line without a traceback."""

from gan.plain_text import printable


class UserError(Exception):
    """A mistake in the user's input; the message says what was wrong and what is valid."""

    def __str__(self) -> str:
        """Return the message as one line, whatever is in the names of files."""
        return printable(super().__str__())

    @property
    def lines(self) -> list[str]:
        """The lines to show: one, unless there are several mistakes."""
        return [str(self)]


class HeldError(UserError):
    """A sweep or trial that another process holds."""


class Stopped(Exception):
    """Request to stop in the middle of the final evaluation."""


class TrainingError(UserError):
    """A training that cannot continue, for example because its loss is not finite."""
