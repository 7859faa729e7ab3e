"""Notifications of a launch, to real commands."""

import json
import os
import time
from pathlib import Path

import pytest

from orchestrator.driver import notifier as notifier_module
from tests.support.notified_launch import Launch


def test_a_command_gets_the_message_on_stdin_and_the_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    launch = Launch('cat > "$COLORSWEEP_EVENT.json"', tmp_path)
    launch.finish()
    assert json.loads((tmp_path / "finished.json").read_text())["trials"] == {"finished": 2}
    assert launch.said == []


def test_a_command_that_reads_nothing_may_succeed(tmp_path: Path) -> None:
    launch = Launch("true", tmp_path)
    launch.finish()
    assert launch.said == []


def test_a_command_that_fails_is_one_line_with_its_last_words(tmp_path: Path) -> None:
    launch = Launch("echo one >&2; echo password=hush, two >&2; exit 3", tmp_path)
    launch.finish()
    (line,) = launch.said
    assert line.endswith(": exit code 3 (password=*** two)")
    assert "hush" not in line


def test_a_command_that_cannot_start_is_one_line(tmp_path: Path) -> None:
    launch = Launch(f"cat {'x' * 200_000}", tmp_path)  # Linux takes 128 KiB a word
    launch.finish()
    (line,) = launch.said
    assert line.startswith("notification: cat ...: cannot be run (")
    assert "Argument list too long" in line


@pytest.mark.slow
def test_a_command_that_does_not_end_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier_module, "COMMAND_SECONDS", 1.0)
    held = tmp_path / "held"
    os.mkfifo(held)
    with os.fdopen(os.open(held, os.O_RDONLY | os.O_NONBLOCK)) as end:
        launch = Launch(f"exec 3> {held}; sleep 600 & sleep 600", tmp_path)
        began = time.monotonic()
        launch.finish()
        assert time.monotonic() - began < 5
        (line,) = launch.said
        assert line.endswith(": was killed after 1 s")
        os.set_blocking(end.fileno(), True)
        assert end.read() == "", "nobody is left who could write"
