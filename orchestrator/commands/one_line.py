"""Base class of commands that report wrong options in one line."""

import click

from gan.errors import UserError


class OneLineCommand(click.Command):
    """Command that reports a wrong option in one line, like every other user error."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options; raise UserError if one is unknown, missing or invalid."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise UserError(error.format_message()) from None
