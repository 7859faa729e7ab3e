"""What the user can put right: every such error is one line, without a traceback."""


class UserError(Exception):
    """A mistake in the user's input; the message says what was wrong and what is valid."""


class Stopped(Exception):
    """Somebody asked for an end in the middle of an evaluation."""


class TrainingError(UserError):
    """A training that cannot go on (a loss that is not finite, say)."""
