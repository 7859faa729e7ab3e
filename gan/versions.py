"""Versions of the software, and its commit, with which a generator is made."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and packages, and the commit if this is a git checkout.

    The commit ends in ``-dirty`` if files differ from it. Missing items are left out.
    """
    found = {"python": platform.python_version()}
    for package in ("colorsweep", "torch", "torchvision", "kornia"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # on a machine that received gan/ alone
            continue
    if commit := _commit(Path(__file__).parent.parent):
        found["commit"] = commit
    return found


def _commit(root: Path) -> str:
    if not (root / ".git").exists():  # installed, or inside another project's repository
        return ""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(
            command, cwd=root, capture_output=True, check=True, text=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git here, or not our repository
        return ""
