"""Object store (``s3://``, ``gs://``) of sweeps, with the same layout as ``runs``.

Objects appear completely or not at all. Requests may fail for a while or be refused. Credentials
and endpoints come from the usual places: the environment, files, roles.
"""

import logging
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gan import plain_text
from gan.errors import UserError
from gan.plain_text import AMBIGUOUS, is_ambiguous, masked

OPTIONS = {"s3": "allow_delayed_open=true", "gs": "retry_limit_seconds=30"}
"""Options of pyarrow by scheme: small files in one request, a limit to its own retries."""
REFUSALS = re.compile(
    r"ACCESS_DENIED|NO_SUCH_BUCKET|SIGNATURE_DOES_NOT_MATCH|INVALID_ACCESS_KEY_ID|AccessDenied"
    r"|INVALID_CLIENT_TOKEN_ID|EXPIRED_TOKEN|HTTP status 40[13]|PERMISSION_DENIED|UNAUTHENTICATED"
)
"""Parts of error messages for which a retry is useless."""
GIVE_UP_SECONDS = 900.0
"""Time for which storage may fail before a trial stops."""
LONGEST_PAUSE = 30.0
CHUNK = 8 << 20

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class StorageError(UserError):
    """Error of storage that refuses, or has failed for too long."""


@dataclass(frozen=True)
class Entry:
    """Object in a listing."""

    size: int
    time: int
    """Time of its last change by the store's clock, in nanoseconds since the epoch."""


class ObjectStore:
    """Objects below a URI; paths are relative to the URI.

    Every method raises OSError if the store fails or refuses (``is_refusal`` tells them apart).
    """

    def __init__(self, uri: str) -> None:
        """Parse the URI; nothing is sent yet.

        Raises:
            UserError: the URI is not that of an object store.
        """
        # pyarrow takes half a second to import; storage on a local disk does not need it.
        from pyarrow import fs

        scheme, _, rest = uri.partition("://")
        if scheme not in OPTIONS or not rest.strip("/"):
            valid = "s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
            raise UserError(f"--storage: {masked(uri)!r} is no object store; valid: {valid}")
        if is_ambiguous(uri):
            raise UserError(f"--storage: {masked(uri)}: {AMBIGUOUS}")
        options = ("&" if "?" in uri else "?") + OPTIONS[scheme]
        try:
            self._files, self._root = fs.FileSystem.from_uri(uri + options)
        except (OSError, ValueError) as error:
            raise UserError(f"--storage: {masked(uri)}: {answer_of(error)}") from None
        self._root = self._root.rstrip("/")
        if not self._root:
            raise UserError(f"--storage: {masked(uri)}: names no bucket")
        self.uri = masked(uri)

    def check(self) -> None:
        """Check that the bucket exists: the listing of a missing bucket is merely empty.

        Raises:
            UserError: the bucket does not exist.
        """
        bucket = self._root.partition("/")[0]
        if self._files.get_file_info(bucket).type.name == "NotFound":
            raise UserError(f"--storage: {self.uri}: there is no bucket {bucket!r}")

    def entries(self, path: str) -> dict[str, Entry]:
        """Return every object below a path by its relative name."""
        from pyarrow import fs

        start = self._at(path)
        selector = fs.FileSelector(start, recursive=True, allow_not_found=True)
        return {
            info.path.removeprefix(f"{start}/"): Entry(info.size, info.mtime_ns or 0)
            for info in self._files.get_file_info(selector)
            if info.is_file
        }

    def folders(self, path: str) -> list[str]:
        """Return the names of the folders directly below a path."""
        from pyarrow import fs

        selector = fs.FileSelector(self._at(path), allow_not_found=True)
        found = self._files.get_file_info(selector)
        return sorted(info.base_name for info in found if not info.is_file)

    def existing(self, paths: Sequence[str]) -> list[str]:
        """Return those of the paths that have an object."""
        found = self._files.get_file_info([self._at(path) for path in paths])
        return [path for path, info in zip(paths, found, strict=True) if info.is_file]

    def read(self, path: str) -> bytes:
        """Read an object; a missing one raises FileNotFoundError."""
        with self._files.open_input_stream(self._at(path)) as stream:
            content: bytes = stream.read()
            return content

    def write(self, path: str, content: bytes) -> None:
        """Write an object, completely or not at all."""
        with self._files.open_output_stream(self._at(path)) as stream:
            stream.write(content)

    def upload(self, file: Path, path: str) -> None:
        """Upload a file as an object, completely or not at all."""
        log.debug("upload %s", path)
        with file.open("rb") as source, self._files.open_output_stream(self._at(path)) as stream:
            shutil.copyfileobj(source, stream, CHUNK)

    def download(self, path: str, file: Path) -> None:
        """Download an object to a file."""
        log.debug("download %s", path)
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._files.open_input_stream(self._at(path)) as stream, file.open("wb") as target:
            shutil.copyfileobj(stream, target, CHUNK)

    def copy(self, path: str, target: str) -> None:
        """Copy an object within the store, completely or not at all."""
        self._files.copy_file(self._at(path), self._at(target))

    def remove(self, path: str) -> None:
        """Remove an existing object."""
        self._files.delete_file(self._at(path))

    def remove_folder(self, path: str) -> None:
        """Remove all objects below a path."""
        self._files.delete_dir(self._at(path))

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"


def is_refusal(error: OSError) -> bool:
    """Whether a retry is useless."""
    return isinstance(error, PermissionError) or bool(REFUSALS.search(str(error)))


def answer_of(error: BaseException) -> str:
    """Return the answer of a store in one line."""
    answer = plain_text.first_line(error, 1000)
    answer = re.sub(r"^.*?AWS Error |\s*\(Request ID: .*|; Details: .*", "", answer)
    return plain_text.first_line(OSError(answer.rstrip(".")), 160)


def with_retries(
    call: Callable[[], Result], where: str, *, sleep: Callable[[float], Any] = time.sleep
) -> Result:
    """Repeat a call with growing pauses while storage fails, and return its result.

    ``where`` names the location for the error; ``sleep`` waits for some seconds.

    Raises:
        StorageError: storage refuses, or has failed for ``GIVE_UP_SECONDS``.
    """
    until = time.monotonic() + GIVE_UP_SECONDS
    pause = 1.0
    while True:
        try:
            return call()
        except OSError as error:
            if is_refusal(error) or time.monotonic() + pause > until:
                raise StorageError(
                    f"{where}: {answer_of(error)}; the checkpoint before is kept; launch again "
                    "once storage can be used"
                ) from None
            log.warning("%s: %s; again in %g s", where, answer_of(error), pause)
        sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
