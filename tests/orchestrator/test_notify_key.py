"""The key ``notify`` of a sweep file, and the option of the same name."""

from dataclasses import replace
from pathlib import Path

import pytest

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
        ("mail -s colorsweep me@example.org", False, "mail -s colorsweep me@example.org"),
        ("curl https://me:hush@host/x", False, "curl https://***@host/x"),
    ],
)
def test_a_target_is_shown_without_credentials(
    file: Path, target: str, is_webhook: bool, shown: str
) -> None:
    file.write_text(f"{TEXT}notify: '{target}'\n")
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
    "value", ["5", "[a]", "''", "'https://'", "'http://host:port/'", "'https://a b/'", "http://:80"]
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
