"""Launches that notify, with nothing replaced: real Ray, a real webhook, a real command."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import SETTINGS, Launch, Program, on_small
from tests.support.webhooks import SECRET, webhook

pytestmark = pytest.mark.timeout(600)

BROKEN = "  - {saturation: 0.5, generator_lr: 1.0e+30}\n"


@dataclass(frozen=True)
class Story:
    """A launch with a trial that fails, one of the repaired file, and one with nothing to do."""

    failing: subprocess.CompletedProcess[str]
    messages: list[dict[str, Any]]
    """Of the first launch, to the webhook of its file."""
    repaired: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]
    told: list[dict[str, Any]]
    """Of the others, to the command of ``--notify``."""
    host: str
    """Scheme, host and port of the webhook."""
    kept: bytes
    """Every file of the sweep and the tracking store."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, small_npz: Path) -> Story:
    runs, directory = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("sweeps")
    sweep, told = directory / "story.yaml", directory / "told.jsonl"
    text = on_small(small_npz, f"{SETTINGS}  steps: 20\npoints:\n  - {{}}\n")
    with webhook() as hook:
        sweep.write_text(f"{text}{BROKEN}notify: {hook.url}\n")
        failing = Launch(runs, sweep, no_proxy="127.0.0.1").end()
        sweep.write_text(f"{text}  - {{seed: 2}}\nnotify: {hook.url}\n")
        command = ("--notify", f"cat >> {told}; echo >> {told}")
        repaired = Program("--runs", runs, "launch", sweep, *command).end()
        again = Program("--runs", runs, "launch", sweep, *command).end()
    files = b"".join(p.read_bytes() for p in runs.rglob("*") if p.is_file())
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    host = hook.url.removesuffix(SECRET)
    return Story(failing, hook.messages, repaired, again, lines, host, files)


def test_a_failing_trial_is_told_at_once_and_the_end_once(story: Story) -> None:
    failed, ended = story.messages
    assert (failed["event"], failed["trial"]) == ("failed", "saturation=0.5, generator_lr=1e+30")
    assert "was not finite, or exploded, at step" in failed["reason"]
    assert (ended["event"], ended["sweep"]) == ("incomplete", "story")
    assert ended["trials"] == {"finished": 1, "failed": 1}
    assert "1 of 2 trials finished, 1 failed" in ended["text"]
    assert story.failing.returncode == 1


def test_the_option_wins_and_a_launch_with_nothing_to_train_tells_nothing(story: Story) -> None:
    assert (story.repaired.returncode, story.again.returncode) == (0, 0)
    assert "Dashboard" not in story.again.stdout
    (finished,) = story.told
    assert (finished["event"], finished["trials"]) == ("finished", {"finished": 2})


def test_the_webhooks_path_is_shown_and_kept_nowhere(story: Story) -> None:
    assert f"Notify     {story.host}/***" in story.failing.stdout
    assert SECRET not in story.failing.stdout + story.failing.stderr + json.dumps(story.messages)
    assert SECRET.encode() not in story.kept


def test_a_launch_that_is_refused_for_lack_of_gpus_tells_nobody(
    small_npz: Path, tmp_path: Path
) -> None:
    sweep, told = tmp_path / "story.yaml", tmp_path / "told"
    text = on_small(small_npz, f"{SETTINGS}  steps: 20\n")
    sweep.write_text(f"{text}resources: {{gpus_per_trial: 64}}\n")
    launch = Program("--runs", tmp_path / "runs", "launch", sweep, "--notify", f"touch {told}")
    done = launch.end()
    assert done.returncode == 2
    assert "resources.gpus_per_trial: 64, but the largest node has" in done.stderr
    assert not told.exists()
