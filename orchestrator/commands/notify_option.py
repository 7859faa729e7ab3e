"""Option ``--notify`` of the commands that launch a sweep."""

from dataclasses import replace
from typing import Any

import click

from orchestrator.sweep.notify import NotifyTarget, notify_target
from orchestrator.sweep.sweep_spec import SweepSpec


def _checked(_context: click.Context, _option: click.Parameter, value: Any) -> NotifyTarget | None:
    return notify_target(value, "--notify")


notify_option = click.option(
    "--notify",
    metavar="URL|COMMAND",
    callback=_checked,
    help="Webhook or command that gets a message in JSON when a trial fails and at the end.",
)


def with_notify(spec: SweepSpec, notify: NotifyTarget | None) -> SweepSpec:
    """Return a spec whose target is that of the option, if it was given."""
    return spec if notify is None else replace(spec, notify=notify)


def shown_option(notify: NotifyTarget | None) -> list[str]:
    """Return the option as words of a command that is shown; what may be secret is hidden."""
    return [] if notify is None else ["--notify", notify.shown]


def without(notify: NotifyTarget | None, word: str) -> str:
    """Return a word of the command line as typed, with the option's value as it is shown."""
    return word if notify is None else word.replace(notify.text, notify.shown)
