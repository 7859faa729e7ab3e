"""What the commands that are modules of their own share."""

import click

from gan.errors import UserError


class OneLineCommand(click.Command):
    """Tells a mistake in the options in one line, as every other mistake is told."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options.

        Raises:
            UserError: they are wrong.
        """
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise UserError(error.format_message()) from None
