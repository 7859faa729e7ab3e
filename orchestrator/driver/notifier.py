"""Notifications of a launch, by a webhook or a command; no failure of theirs touches the launch."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import TracebackType

from gan.errors import UserError
from gan.plain_text import cut, first_line, plain
from orchestrator.driver.live_view import LiveView
from orchestrator.store.paths import Locations
from orchestrator.sweep.notify import NotifyTarget
from reports.phase import TrialPhase, counted

WEBHOOK_SECONDS = 10.0
"""Longest time for a webhook, all in all."""
ANSWER_SECONDS = 5.0
"""Time for its host to accept the connection, and again for its answer."""
COMMAND_SECONDS = 60.0
"""Longest time for a command, which is then killed."""
LONGEST_REASON = 1000


class Event(StrEnum):
    """Event of a launch that is told."""

    FAILED = "failed"
    """A trial has failed or died for good, the first one of the launch; the others go on."""
    WAITING = "waiting"
    """Nothing trains, since no node has room; the launch waits."""
    FINISHED = "finished"
    """The launch has ended, and every trial is finished or pruned."""
    STOPPED = "stopped"
    """The launch has ended on request, with trials to go on with."""
    INCOMPLETE = "incomplete"
    """The launch has ended with trials that failed, died or were kept back."""
    STUCK = "stuck"
    """The launch has ended, since it could not go on: Ray has died, or storage fails."""


@dataclass(frozen=True)
class Message:
    """Body of a notification, as JSON."""

    text: str
    """Sentence for people; chats show it."""
    sweep: str
    event: Event
    host: str
    """Host of the launch."""
    trials: dict[str, int]
    """Number of trials in each phase that has any."""
    trial: str | None
    """Name of the trial that failed."""
    reason: str | None
    report: str
    """Command that builds the report."""
    page: str | None
    """Path of the report's page on the host, if it was built before."""
    again: str
    """Command that goes on with the sweep."""


class Notifier:
    """Notifier of one launch; as a context manager, it tells how the launch ended."""

    def __init__(
        self,
        target: NotifyTarget | None,
        sweep: str,
        locations: Locations,
        again: str,
        say: Callable[[str], None],
    ) -> None:
        """Notify ``target``, if there is one; ``say`` receives a line if that fails.

        ``again`` is the command that goes on with the sweep.
        """
        self.say = say
        self._target, self._sweep, self._locations = target, sweep, locations
        self._again = again
        self._view: LiveView | None = None
        self._told: set[Event] = set()
        self._threads: list[threading.Thread] = []
        self._cannot, self._asked = "", False
        self._last: tuple[Event, str] | None = None

    def begin(self, view: LiveView) -> None:
        """Notify from now on, since trials are about to train; ``view`` has all of them."""
        self._view = view

    def failed(self, trial: str, reason: str) -> None:
        """Tell that a trial has failed, in the background; only of the first one."""
        self._tell(Event.FAILED, reason, trial)

    def waiting(self, reason: str) -> None:
        """Tell what the launch waits for, in the background; once."""
        self._tell(Event.WAITING, reason)

    def trained(self, cannot: str, *, asked_to_stop: bool) -> None:
        """Note that the training is over, and why it could not go on; empty if it could.

        After a stop request it need not go on.
        """
        self._cannot, self._asked = cannot, asked_to_stop

    def ended(self, done: bool, kept: Collection[str] = ()) -> None:
        """Note that the launch has ended, to be told when the context is left.

        ``done`` is whether every trial is finished or pruned, ``kept`` has the keys of those that
        were kept back, and are stopped or waiting without a request.
        """
        rows = {} if self._view is None else self._view.rows
        phases = {row.phase for key, row in rows.items() if key not in kept}
        if done:
            self._last = Event.FINISHED, ""
        elif self._cannot and not self._asked:
            self._last = Event.STUCK, self._cannot
        elif self._asked or phases & {TrialPhase.WAITING, TrialPhase.STOPPED}:
            self._last = Event.STOPPED, ""
        else:
            self._last = Event.INCOMPLETE, ""

    def __enter__(self) -> "Notifier":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            of_ours = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            self._last = Event.STUCK, of_ours + str(error)
        if error is None or isinstance(error, Exception):  # who typed Ctrl-C twice does not wait
            if self._last is not None:
                self._tell(*self._last)
            with suppress(KeyboardInterrupt):
                for thread in self._threads:
                    thread.join()

    def _tell(self, event: Event, reason: str, trial: str | None = None) -> None:
        if self._target is None or self._view is None or event in self._told:
            return
        self._told.add(event)
        phases = [row.phase for row in [*self._view.rows.values()]]
        message = self._message(event, phases, cut(plain(reason), LONGEST_REASON), trial)
        before = self._threads[-1:]

        def send(target: NotifyTarget) -> None:
            for thread in before:  # in their order
                thread.join()
            post = post_webhook if target.is_webhook else run_command
            if failure := post(target, message):
                self.say(f"notification: {target.shown}: {failure}")

        thread = threading.Thread(target=send, args=(self._target,), name="notify", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _message(
        self, event: Event, phases: Sequence[TrialPhase], reason: str, trial: str | None
    ) -> Message:
        counts, found = counted(phases), Counter(phases)
        because = f": {reason}" if reason else ""
        text = {
            Event.FAILED: f": trial {trial} has failed{because} ({counts})",
            Event.WAITING: f" does not train{because} ({counts})",
            Event.STUCK: f" cannot go on{because} ({counts})",
            Event.FINISHED: f" has finished: {counts}",
            Event.STOPPED: f" was stopped: {counts}",
            Event.INCOMPLETE: f" has ended incomplete: {counts}",
        }[event]
        host = socket.gethostname()
        page = self._locations.runs.absolute() / "reports" / self._sweep / "index.html"
        return Message(
            text=f"colorsweep {plain(self._sweep)} on {host}{text}",
            sweep=self._sweep,
            event=event,
            host=host,
            trials={str(phase): found[phase] for phase in TrialPhase if found[phase]},
            trial=trial,
            reason=reason or None,
            report=self._locations.command("report", self._sweep),
            page=str(page) if page.exists() else None,
            again=self._again,
        )


def post_webhook(target: NotifyTarget, message: Message) -> str:
    """POST a message; return why it did not arrive, in a line, or an empty text.

    Redirects are not followed.
    """
    failures: list[str] = []

    def post() -> None:
        # Not needed by launches that notify nobody.
        import requests

        try:
            with requests.post(
                target.text,
                data=json.dumps(asdict(message)).encode(),
                headers={"Content-Type": "application/json", "User-Agent": "colorsweep"},
                timeout=ANSWER_SECONDS,
                allow_redirects=False,
                stream=True,  # nobody reads the body
            ) as answer:
                failures.append(_refusal(answer.status_code))
        except Exception as error:  # whatever a library makes of a server or a URL
            failures.append(_in_words(error))

    # A server that sends a byte now and then could keep the request alive for ever.
    posting = threading.Thread(target=post, name="webhook", daemon=True)
    posting.start()
    posting.join(WEBHOOK_SECONDS)
    return failures[0] if failures else f"no answer in {WEBHOOK_SECONDS:g} s"


def _refusal(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"answers {status}, a redirect; give the URL that it leads to"
    return f"answers {status}"


def _in_words(error: Exception) -> str:
    """Return what failed, without the URL's path, which libraries repeat."""
    import requests

    if isinstance(error, requests.Timeout):
        return f"no answer in {ANSWER_SECONDS:g} s"
    if isinstance(error, requests.ConnectionError):
        return first_line(error)
    return type(error).__name__


def run_command(target: NotifyTarget, message: Message) -> str:
    """Run a command with a message on stdin; return why it failed, in a line, or an empty text."""
    try:
        return _run(target.text, message)
    except (OSError, ValueError) as error:  # too long, no process left, no room for a file
        return f"cannot be run ({first_line(error)})"


def _run(command: str, message: Message) -> str:
    with tempfile.TemporaryFile() as errors:
        running = subprocess.Popen(
            command,
            shell=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # it would go through the live view
            stderr=errors,
            env=os.environ | {"COLORSWEEP_EVENT": message.event},
            start_new_session=True,  # Ctrl-C is for the launch
        )
        try:
            running.communicate(json.dumps(asdict(message)).encode(), timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            return f"was killed after {COMMAND_SECONDS:g} s"
        if not running.returncode:
            return ""
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
        because = f" ({cut(plain(said[-1]), 120)})" if said else ""
        return f"exit code {running.returncode}{because}"
