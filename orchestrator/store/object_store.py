"""Object store (``s3://``, ``gs://``) of sweeps, laid out as below ``runs``.

Objects appear whole or not at all, and an upload or a listing may fail for a while or be refused.
Credentials and endpoints come from where their owners look for them: the environment, files, roles.
"""

import logging
import re
import shutil
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gan.errors import UserError
from orchestrator.store.paths import shown

OPTIONS = {"s3": "allow_delayed_open=true", "gs": "retry_limit_seconds=30"}
"""Schemes, with what is asked of pyarrow: a small file in one request, an end to its own tries."""
REFUSALS = re.compile(
    r"ACCESS_DENIED|NO_SUCH_BUCKET|SIGNATURE_DOES_NOT_MATCH|INVALID_ACCESS_KEY_ID|AccessDenied"
    r"|INVALID_CLIENT_TOKEN_ID|EXPIRED_TOKEN|HTTP status 40[13]|PERMISSION_DENIED|UNAUTHENTICATED"
)
"""What an answer says that trying again does not mend."""
GIVE_UP_SECONDS = 900.0
"""How long storage may fail before a trial stops."""
LONGEST_PAUSE = 30.0
CHUNK = 8 << 20

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class StorageError(UserError):
    """Storage refuses, or has failed for longer than anybody waits."""


@dataclass(frozen=True)
class Entry:
    """An object in a listing."""

    size: int
    time: int
    """Of its last change, in nanoseconds since the epoch; by the store's clock."""


class ObjectStore:
    """The objects below a URI; paths are relative to it.

    Every method raises OSError: the store fails or refuses (``is_refusal`` tells them apart).
    """

    def __init__(self, uri: str) -> None:
        """Parse the URI; nothing is sent yet.

        Raises:
            UserError: it is no URI of an object store.
        """
        # pyarrow takes half a second to import; storage on a local disk needs none of it.
        from pyarrow import fs

        scheme, _, rest = uri.partition("://")
        if scheme not in OPTIONS or not rest.strip("/"):
            valid = "s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
            raise UserError(f"--storage: {uri!r} is no object store; valid: {valid}")
        options = ("&" if "?" in uri else "?") + OPTIONS[scheme]
        try:
            self._files, self._root = fs.FileSystem.from_uri(uri + options)
        except (OSError, ValueError) as error:
            raise UserError(f"--storage: {shown(uri)}: {first_line(error)}") from None
        self._root = self._root.rstrip("/")
        self.uri = shown(uri)

    def check(self) -> None:
        """See that the bucket is there: where it is not, a listing is only empty.

        Raises:
            UserError: it is not.
        """
        bucket = self._root.partition("/")[0]
        if self._files.get_file_info(bucket).type.name == "NotFound":
            raise UserError(f"--storage: {self.uri}: there is no bucket {bucket!r}")

    def entries(self, path: str) -> dict[str, Entry]:
        """Return every object below a path, by its name from there on."""
        from pyarrow import fs

        start = self._at(path)
        selector = fs.FileSelector(start, recursive=True, allow_not_found=True)
        return {
            info.path.removeprefix(f"{start}/"): Entry(info.size, info.mtime_ns or 0)
            for info in self._files.get_file_info(selector)
            if info.is_file
        }

    def folders(self, path: str) -> list[str]:
        """Return the names of what has objects below it, directly below a path."""
        from pyarrow import fs

        selector = fs.FileSelector(self._at(path), allow_not_found=True)
        found = self._files.get_file_info(selector)
        return sorted(info.base_name for info in found if not info.is_file)

    def existing(self, paths: Sequence[str]) -> list[str]:
        """Return those of some objects that are there."""
        found = self._files.get_file_info([self._at(path) for path in paths])
        return [path for path, info in zip(paths, found, strict=True) if info.is_file]

    def read(self, path: str) -> bytes:
        """Read an object; FileNotFoundError where there is none."""
        with self._files.open_input_stream(self._at(path)) as stream:
            content: bytes = stream.read()
            return content

    def write(self, path: str, content: bytes) -> None:
        """Write an object, all or nothing."""
        with self._files.open_output_stream(self._at(path)) as stream:
            stream.write(content)

    def upload(self, file: Path, path: str) -> None:
        """Write a file's content as an object, all or nothing."""
        with file.open("rb") as source, self._files.open_output_stream(self._at(path)) as stream:
            shutil.copyfileobj(source, stream, CHUNK)

    def download(self, path: str, file: Path) -> None:
        """Write an object's content to a file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._files.open_input_stream(self._at(path)) as stream, file.open("wb") as target:
            shutil.copyfileobj(stream, target, CHUNK)

    def remove(self, path: str) -> None:
        """Remove an object that is there."""
        self._files.delete_file(self._at(path))

    def remove_folder(self, path: str) -> None:
        """Remove all objects below a path."""
        self._files.delete_dir(self._at(path))

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"


def is_refusal(error: OSError) -> bool:
    """Whether trying again would not mend it."""
    return isinstance(error, PermissionError) or bool(REFUSALS.search(str(error)))


def first_line(error: BaseException) -> str:
    """Say in one line what a store answered."""
    lines = str(error).splitlines() or [type(error).__name__]
    answer = re.sub(r"^.*?AWS Error |\s*\(Request ID: .*|; Details: .*", "", lines[0])
    return textwrap.shorten(answer.rstrip("."), 160, placeholder=" ...")


def patiently(
    call: Callable[[], Result], where: str, *, sleep: Callable[[float], Any] = time.sleep
) -> Result:
    """Call again, ever less often, while storage fails.

    Args:
        call: may be called many times.
        where: what it works on, for the error.
        sleep: waits some seconds.

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
                    f"{where}: {first_line(error)}; the checkpoint before is kept; launch again "
                    "once storage can be used"
                ) from None
            log.warning("%s: %s; again in %g s", where, first_line(error), pause)
        sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
