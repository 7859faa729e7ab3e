"""What a generator was made with: versions of the software, and its commit."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def versions() -> dict[str, str]:
    """Name what runs here: Python, packages, and the commit where this is a checkout of git.

    A commit ends in ``-dirty`` where files differ from it. What is not there is left out.
    """
    found = {"python": platform.python_version()}
    for package in ("colorsweep", "torch", "torchvision", "kornia"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # on a machine that was given gan/ alone
            continue
    if commit := _commit(Path(__file__).parent.parent):
        found["commit"] = commit
    return found


def _commit(root: Path) -> str:
    if not (root / ".git").exists():  # installed; or below the repository of something else
        return ""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(
            command, cwd=root, capture_output=True, check=True, text=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git here, or not our repository
        return ""
