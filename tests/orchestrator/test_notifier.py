"""Notifications of a launch, to real servers."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from gan.errors import UserError
from orchestrator.driver import notifier as notifier_module
from reports.phase import TrialPhase
from tests.support.notified_launch import Launch
from tests.support.servers import free_port
from tests.support.webhooks import (
    SECRET,
    Answer,
    broken_off,
    byte_by_byte,
    late,
    self_signed,
    status,
    webhook,
)


@pytest.fixture(autouse=True)
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_the_end_is_told_once_in_a_sentence_and_in_numbers(tmp_path: Path) -> None:
    with webhook() as hook:
        launch = Launch(hook.url, tmp_path)
        launch.finish()
    host = socket.gethostname()
    (message,) = hook.messages
    assert message == {
        "text": f"colorsweep hue on {host} has finished: 2 of 2 trials finished",
        "sweep": "hue",
        "event": "finished",
        "host": host,
        "trials": {"finished": 2},
        "trial": None,
        "reason": None,
        "report": f"colorsweep --runs {tmp_path} report hue",
        "page": None,
        "again": "colorsweep again",
    }
    assert hook.content_types == ["application/json"]
    assert launch.said == []


def test_a_page_that_was_built_is_named(tmp_path: Path) -> None:
    page = tmp_path / "reports" / "hue" / "index.html"
    page.parent.mkdir(parents=True)
    page.touch()
    with webhook() as hook:
        Launch(hook.url, tmp_path).finish()
    assert hook.messages[0]["page"] == str(page)


def test_only_the_first_failure_is_told_and_the_end_is_told_too(tmp_path: Path) -> None:
    with webhook() as hook:
        launch = Launch(hook.url, tmp_path)
        with launch.notifier as notifier:
            notifier.begin(launch.view)
            launch.phases(TrialPhase.RUNNING, TrialPhase.FAILED)
            notifier.failed("trial two", "its loss exploded\nat s3://user:hush@bucket/x")
            launch.phases(TrialPhase.FAILED, TrialPhase.FAILED)
            notifier.failed("trial one", "another")
            notifier.ended(done=False)
    first, last = hook.messages
    assert (first["event"], first["trial"]) == ("failed", "trial two")
    assert first["reason"] == r"its loss exploded\nat s3://***@bucket/x"
    assert first["trials"] == {"running": 1, "failed": 1}
    assert "trial two has failed: its loss exploded" in first["text"]
    assert (last["event"], last["trials"]) == ("incomplete", {"failed": 2})


@pytest.mark.parametrize(
    ("phase", "cannot", "event"),
    [
        (TrialPhase.STOPPED, "", "stopped"),
        (TrialPhase.WAITING, "", "stopped"),
        (TrialPhase.FAILED, "", "incomplete"),
        (TrialPhase.DIED, "Ray has died on this machine", "stuck"),
    ],
)
def test_the_event_says_how_a_launch_ended(
    tmp_path: Path, phase: TrialPhase, cannot: str, event: str
) -> None:
    with webhook() as hook:
        launch = Launch(hook.url, tmp_path)
        with launch.notifier as notifier:
            notifier.begin(launch.view)
            launch.phases(TrialPhase.FINISHED, phase)
            notifier.trained(cannot, asked_to_stop=False)
            notifier.ended(done=False)
    (message,) = hook.messages
    assert (message["event"], message["reason"]) == (event, cannot or None)
    assert cannot in message["text"]


@pytest.mark.parametrize("phase", [TrialPhase.WAITING, TrialPhase.STOPPED, TrialPhase.DIED])
def test_a_stop_while_nothing_trains_is_no_breakdown(tmp_path: Path, phase: TrialPhase) -> None:
    with webhook() as hook:
        launch = Launch(hook.url, tmp_path)
        with launch.notifier as notifier:
            notifier.begin(launch.view)
            launch.phases(TrialPhase.FINISHED, phase)
            notifier.trained("Nothing trains any more", asked_to_stop=True)
            notifier.ended(done=False)
    (message,) = hook.messages
    assert (message["event"], message["reason"]) == ("stopped", None)


@pytest.mark.parametrize("phase", [TrialPhase.WAITING, TrialPhase.STOPPED])
def test_trials_that_are_kept_back_make_a_launch_incomplete(
    tmp_path: Path, phase: TrialPhase
) -> None:
    with webhook() as hook:
        launch = Launch(hook.url, tmp_path)
        with launch.notifier as notifier:
            notifier.begin(launch.view)
            launch.phases(TrialPhase.FINISHED, phase)
            notifier.trained("", asked_to_stop=False)
            notifier.ended(done=False, kept={"two"})
    (message,) = hook.messages
    assert message["event"] == "incomplete"


def test_an_error_that_ends_a_launch_is_told_with_its_line(tmp_path: Path) -> None:
    with webhook() as hook:
        launch = Launch(hook.url, tmp_path)
        launch.notifier.begin(launch.view)
        with pytest.raises(UserError), launch.notifier:
            raise UserError("s3://bucket: no space is left")
    (message,) = hook.messages
    assert (message["event"], message["reason"]) == ("stuck", "s3://bucket: no space is left")


def test_a_launch_that_trains_nothing_tells_nothing(tmp_path: Path) -> None:
    with webhook() as hook:
        launch = Launch(hook.url, tmp_path)
        with launch.notifier as notifier:
            notifier.ended(done=True)
        with pytest.raises(UserError), launch.notifier:
            raise UserError("it is launched already")
    assert hook.messages == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(500), "answers 500"),
        (status(404), "answers 404"),
        (status(302, Location="http://127.0.0.1:1/hushhush"), "answers 302, a redirect"),
        (late(30), "no answer in 5 s"),
        (byte_by_byte, "no answer in 10 s"),
        (broken_off, "Remote end closed connection"),
    ],
    ids=["500", "404", "redirect", "late", "drip", "broken off"],
)
def test_a_webhook_that_fails_is_one_line_and_delays_by_seconds(
    tmp_path: Path, answer: Answer, words: str
) -> None:
    began = time.monotonic()
    with webhook(answer) as hook:
        launch = Launch(hook.url, tmp_path)
        launch.finish()
        seconds = time.monotonic() - began
        assert len(hook.messages) == 1
    (line,) = launch.said
    assert line.startswith(f"notification: {hook.url.removesuffix(SECRET)}/***: ")
    assert words in line
    assert "hush" not in line
    assert seconds < notifier_module.WEBHOOK_SECONDS + 3


@pytest.mark.slow
def test_a_failing_trial_does_not_wait_for_a_slow_webhook(tmp_path: Path) -> None:
    went_on = threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        assert went_on.wait(60)
        status(200)(request)

    with webhook(slow) as hook:
        launch = Launch(hook.url, tmp_path)
        with launch.notifier as notifier:
            notifier.begin(launch.view)
            notifier.failed("trial two", "it exploded")
            went_on.set()
    assert len(hook.messages) == 1
    assert launch.said == [], "it was answered in time"


def unreachable() -> Iterator[tuple[str, str]]:
    yield f"http://127.0.0.1:{free_port()}{SECRET}", "nothing answers there"
    yield f"http://nowhere.invalid{SECRET}", "nothing answers there"
    yield f"https://user:hushhush@127.0.0.1:{free_port()}/x", "nothing answers there"


def test_a_webhook_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    for url, words in unreachable():
        launch = Launch(url, tmp_path)
        launch.finish()
        (line,) = launch.said
        assert words in line
        assert "hush" not in line


def test_a_certificate_that_nobody_trusts_is_one_line(tmp_path: Path) -> None:
    with webhook(certificate=self_signed(tmp_path)) as hook:
        launch = Launch(hook.url, tmp_path)
        launch.finish()
        assert hook.messages == []
    (line,) = launch.said
    assert "certificate verify failed" in line
    assert "hush" not in line
