import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from gan import versions as module
from gan.versions import versions


def git(directory: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    command = ["git", *identity, *words]
    return subprocess.run(
        command, cwd=directory, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_versions_are_those_of_what_is_installed() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    for package in ("colorsweep", "torch", "torchvision", "kornia"):
        assert found[package] == version(package)


def test_the_commit_is_the_checkouts_and_says_what_differs(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    git(tmp_path, "tag", "v1")
    commit = git(tmp_path, "rev-parse", "--short=12", "HEAD")
    assert module._commit(tmp_path) == commit
    (tmp_path / "file").write_text("two")
    assert module._commit(tmp_path) == f"{commit}-dirty"


def test_below_another_repository_there_is_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "installed").mkdir()
    assert module._commit(tmp_path / "installed") == ""


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet")
    monkeypatch.setenv("PATH", "")
    assert module._commit(tmp_path) == ""
