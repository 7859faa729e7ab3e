"""Version of colorsweep that is installed on this machine, to be compared with the launch's."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("gan", "orchestrator", "reports")


@cache
def installed() -> str:
    """Return the version, and a digest of the source files: checkouts may share a version."""
    root = Path(__file__).parent.parent.parent
    digest = hashlib.sha256()
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            digest.update(f"{file.relative_to(root)}\0".encode())
            digest.update(file.read_bytes())
    try:
        name = version("colorsweep")
    except PackageNotFoundError:  # a checkout on the path
        name = "of a checkout"
    return f"{name} ({digest.hexdigest()[:12]})"
