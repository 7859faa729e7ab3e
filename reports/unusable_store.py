"""Messages about a tracking store that is absent, or cannot be read."""

import os

from gan.errors import UserError
from gan.plain_text import AMBIGUOUS, first_line, is_ambiguous, masked
from reports.new_store import file_of


def unusable(uri: str, error: Exception) -> UserError:
    """Return the message about a store that could not be opened, from the error of the attempt."""
    given, file = _given(), file_of(uri)
    is_there = file is not None and file.exists()
    if is_there and (given == "--runs" or "malformed" in str(error)):
        return unreadable(uri, error)
    if given == "--runs" and isinstance(error, FileNotFoundError):
        return UserError(
            f"--runs: no sweep was launched there (there is no {file}); launch one, or name "
            "another directory with --runs DIR"
        )
    if "error code 401" in str(error):
        return UserError(
            f"{given}: {masked(uri)} does not accept the account; set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD to one of its accounts"
        )
    reason = AMBIGUOUS if is_ambiguous(uri) else first_line(error)
    return UserError(
        f"{given}: no tracking store at {masked(uri)} ({reason}); valid: http(s)://HOST:PORT "
        "of an MLflow server, sqlite:///FILE, or --runs DIR of a launched sweep"
    )


def unreadable(uri: str, error: Exception) -> UserError:
    """Return the message about a store that is there but fails, from its error."""
    return UserError(f"{_given()}: {masked(uri)} cannot be read ({first_line(error)})")


def _given() -> str:
    """Name the setting that the store's URI comes from."""
    return "MLFLOW_TRACKING_URI" if os.environ.get("MLFLOW_TRACKING_URI") else "--runs"
