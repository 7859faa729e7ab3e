"""Files of a report in a directory: all of a report, or all of the one before."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from gan.errors import UserError

PICTURE = re.compile(r"\]\((images/[^()/]+\.png)\)")
"""Link to a picture in a report's README.md."""


def write_files(out: Path, files: Mapping[str, bytes]) -> None:
    """Replace the report in ``out``, with its pictures; other files there are left alone.

    Every file is first written under a temporary name. A full disk, Ctrl-C or a kill therefore
    leaves the report before as it was.

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
        before = _pictures_in(out)
        try:
            for name, content in files.items():
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
    named = [name for name in ("README.md", "index.html") if (out / name).exists()]
    if named and not (out / "rows.json").exists():
        raise UserError(
            f"--out: {out / named[0]} is not a report's, and would be replaced; name another"
            " directory"
        )


def _pictures_in(out: Path) -> set[str]:
    """Return the names of the pictures of the report that ``out`` has."""
    readme = out / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.exists() else ""
    return set(PICTURE.findall(text))
