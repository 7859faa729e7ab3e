"""The key ``notify`` of a sweep file, and the option of the same name."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.commands.notify_option import shown_option, without
from orchestrator.store.paths import Locations
from orchestrator.sweep.notify import NotifyTarget
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.orchestrator.test_spec import refusal
from tests.support.cli import TEXT, assert_refused
from tests.support.cli_flags import call


@pytest.mark.parametrize(
    ("target", "is_webhook", "shown"),
    [
        ("https://hooks.slack.com/services/T0/B0/X", True, "https://hooks.slack.com/***"),
        ("HTTP://user:hush@localhost:8080/?token=hush", True, "http://localhost:8080/***"),
        ("mail -s colorsweep me@example.org", False, "mail ..."),
        ("curl -d @- https://hooks.slack.com/services/T0/B0/X", False, "curl ..."),
        ("curl\t-H 'Authorization: Bearer hush' https://host", False, "curl ..."),
        ("HOOK=https://host/hush; curl -d @- $HOOK", False, "HOOK ..."),
        ("/opt/tell/me.sh>/dev/null hush", False, "/opt/tell/me.sh ..."),
        ('"/opt/tell me" hush', False, "..."),
        ("/opt/tell-me.sh", False, "/opt/tell-me.sh"),
    ],
)
def test_a_target_is_shown_without_credentials(
    file: Path, target: str, is_webhook: bool, shown: str
) -> None:
    file.write_text(f"{TEXT}notify: {json.dumps(target)}\n")
    found = read_sweep(file).notify
    assert found == NotifyTarget(target)
    assert (found.is_webhook, found.shown) == (is_webhook, shown)


def test_it_is_no_part_of_a_trial(file: Path) -> None:
    file.write_text(TEXT)
    without = expand(read_sweep(file))
    file.write_text(f"{TEXT}notify: https://host/path\n")
    spec = read_sweep(file)
    assert expand(spec) == without == expand(replace(spec, notify=None))


@pytest.mark.parametrize(
    "value",
    [
        *("5", "[a]", "''", "'https://'", "'http://host:port/'", "'https://a b/'", "http://:80"),
        *("htps://host/path", "ftp://u:hush@host/path"),
    ],
)
def test_what_is_no_target_is_refused(file: Path, value: str) -> None:
    said = refusal(file, f"{TEXT}notify: {value}\n")
    assert said.startswith("notify: ")
    assert "valid: https://HOST/PATH" in said or "must be a URL" in said


@pytest.mark.usefixtures("workplace")
def test_the_options_mistakes_are_one_line_without_the_secret() -> None:
    Path("tiny.yaml").write_text(TEXT)
    result = call("launch", "tiny.yaml", "--notify", "https://user:hush@/x")
    assert_refused(result, "--notify: is no URL of a webhook")
    assert "hush" not in result.output


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(
    ("target", "missing"),
    [
        ("https://hooks.slack.com/services/T0/B0/hush", "give the whole URL"),
        ("curl -d @- https://host/hush", "give the whole command"),
        ("'/opt/tell me' hush", "give the whole command"),
    ],
)
def test_a_command_as_shown_is_refused_until_the_target_is_put_back(
    target: str, missing: str
) -> None:
    Path("tiny.yaml").write_text(TEXT)
    options = shown_option(NotifyTarget(target))
    again = Locations(Path("runs"), None).command("launch", "tiny.yaml", *options)
    assert "hush" not in again
    assert_refused(call(*shlex.split(again)[1:]), "--notify: ", missing)


def test_the_tag_of_the_command_line_has_no_secret() -> None:
    target = NotifyTarget("curl -d @- https://host/hush")
    for word in (target.text, f"--notify={target.text}", f" {target.text} "):
        assert without(target, word).strip() in ("curl ...", "--notify=curl ...")
