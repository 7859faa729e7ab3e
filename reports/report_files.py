"""Files of a report in a directory, written so that a full disk or a kill costs no report."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from gan.errors import UserError

PAGES = ("index.html", "README.md")
"""Files that show the others."""
PICTURE = re.compile(r"\]\((images/[^()/]+\.png)\)")
"""Link to a picture in a report's README.md."""
TEMPORARY = re.compile(r"\.([1-9]\d{0,6})\.(index\.html|README\.md|rows\.csv|rows\.json|.+\.png)")
"""Name of a file before it is complete: that of its process, then its own."""


def write_files(out: Path, files: Mapping[str, bytes]) -> None:
    """Replace the report in ``out``, with its pictures; other files there are left alone.

    Every file is first written under a temporary name, so a full disk, Ctrl-C or a kill while they
    are written leaves the previous report as it was. The pages are replaced last: a kill during the
    replacements leaves the previous pages with newer rows and pictures, until the next report.
    Temporary files of processes that are dead are removed.

    Args:
        out: directory; created if it does not exist.
        files: contents by name relative to ``out``.

    Raises:
        UserError: ``out`` cannot be written, or has files of a report's names that no report wrote.
    """
    _require_no_other(out)
    written: dict[Path, Path] = {}
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
        _remove_left_over(out)
        before = _pictures_in(out)
        try:
            for name, content in sorted(files.items(), key=lambda file: file[0] in PAGES):
                target = out / name
                temporary = target.with_name(f".{os.getpid()}.{target.name}")
                written[temporary] = target
                temporary.write_bytes(content)
            for temporary, target in written.items():
                temporary.replace(target)
        finally:
            for temporary in written:
                temporary.unlink(missing_ok=True)
        for name in before - files.keys():
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"--out: cannot write to {out} ({error.strerror})") from None


def _require_no_other(out: Path) -> None:
    named = [name for name in PAGES if (out / name).exists()]
    if named and not (out / "rows.json").exists():
        raise UserError(
            f"--out: {out / named[0]} is not a report's, and would be replaced; name another"
            " directory"
        )


def _remove_left_over(out: Path) -> None:
    """Remove the temporary files of killed reports."""
    for file in [*out.glob(".*"), *(out / "images").glob(".*.png")]:
        found = TEMPORARY.fullmatch(file.name)
        if found and not _is_writing(int(found[1])):
            file.unlink(missing_ok=True)


def _is_writing(process: int) -> bool:
    """Return whether another process of this number lives."""
    if process == os.getpid():  # in a container many processes in turn have the same
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        pass
    return True


def _pictures_in(out: Path) -> set[str]:
    """Return the names of the pictures of the report that ``out`` has."""
    readme = out / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.exists() else ""
    return set(PICTURE.findall(text))
