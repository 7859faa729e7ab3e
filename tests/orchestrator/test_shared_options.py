"""Options of the program after a command, verbosity, and what a shell completes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.sweep.spec import SHIPPED
from tests.support.cli import TEXT, assert_refused
from tests.support.cli_flags import call

pytestmark = pytest.mark.usefixtures("workplace")
COMMANDS = sorted(main.commands)


@pytest.mark.parametrize("arguments", ["--runs here status", "status --runs here"])
def test_the_runs_directory_is_named_before_or_after_the_command(arguments: str) -> None:
    result = call(*arguments.split())
    assert result.output == "nothing has been launched yet in here\n"


@pytest.mark.parametrize("arguments", ["--storage file:x status", "status --storage file:x"])
def test_the_object_store_is_named_before_or_after_the_command(arguments: str) -> None:
    assert_refused(call(*arguments.split()), "--storage", "file:x")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_them(name: str) -> None:
    result = call(name, "--runs", "a", "--runs", "b")
    assert "--runs: given as a and b; give one of them" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    ["--runs a --runs b status", "--runs a status --runs b", "status --runs a --runs b"],
)
def test_two_values_are_refused_in_one_line(arguments: str) -> None:
    assert_refused(call(*arguments.split()), "--runs: given as a and b; give one of them")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_option_is_refused_in_one_line(name: str) -> None:
    assert_refused(call(name, "--n\no"), r"No such option '--n\no'")


def test_the_same_value_twice_is_one() -> None:
    result = call("--runs", "a", "status", "--runs", "a", "--runs", "a")
    assert (result.exit_code, result.output) == (0, "nothing has been launched yet in a\n")


def test_the_environment_gives_way_to_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORSWEEP_RUNS", "of the:environment")
    assert call("status").output == "nothing has been launched yet in of the:environment\n"
    assert call("status", "--runs", "a").output == "nothing has been launched yet in a\n"
    assert call("--runs", "a", "status").output == "nothing has been launched yet in a\n"


def test_a_secret_in_a_storage_is_not_repeated() -> None:
    result = call("status", "--storage", "s3://K:hush@a", "--storage", "s3://b")
    assert_refused(result, "--storage: given as s3://***@a and s3://b")


@pytest.mark.parametrize("arguments", ["-q -v status", "-q status -v", "status -v -q"])
def test_quiet_and_verbose_exclude_each_other(arguments: str) -> None:
    assert_refused(call(*arguments.split()), "-q with -v: give one of them")


@pytest.mark.parametrize("arguments", ["-v status", "status --verbose"])
def test_verbose_logs_to_stderr_and_for_one_command_alone(arguments: str) -> None:
    result = call(*arguments.split())
    assert result.stdout == "nothing has been launched yet in runs\n"
    assert " DEBUG orchestrator" in result.stderr
    assert call("status").stderr == ""


def test_quiet_leaves_errors_and_results() -> None:
    Path("mine.yaml").write_text(TEXT)
    assert call("status", "-q").stdout == "nothing has been launched yet in runs\n"
    assert_refused(call("launch", "absent.yaml", "-q"), "no such sweep file")


def test_a_colouring_is_told_in_json_and_quietly_not_at_all(here: Path) -> None:
    given = ["colorize", "in/a.png", "--generator", "generator", "--saturation", "0.3"]
    result = call(*given, "--out", "out", "--json")
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)
    assert (found["picture"], found["output"], found["kind"]) == (
        "in/a.png",
        "out/a.png",
        "picture",
    )
    target = found["targets"]["saturation"]
    assert target["wanted"] == 0.3
    assert target["achieved"] == pytest.approx(target["reachable"], abs=0.005)
    assert "in/a.png -> out/a.png" in result.stderr
    quiet = call(*given, "--out", "quiet", "-q")
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert Path("quiet/a.png").read_bytes() == Path("out/a.png").read_bytes()


def completed(line: str) -> list[str]:
    """What bash is offered for the last word of a line, by a process of its own."""
    words = line.split(" ")
    environment = os.environ | {
        "_COLORSWEEP_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    program = Path(sys.executable).with_name("colorsweep")
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=True)
    return [offer.partition(",")[2] for offer in done.stdout.splitlines()]


@pytest.mark.slow
def test_a_shell_completes_commands_sweeps_and_sweep_files() -> None:
    for name in ("mine", "mild", "other"):
        directory = Path("there/sweeps") / name
        directory.mkdir(parents=True)
        (directory / "trials.json").write_text("[]")
    assert completed("colorsweep st") == ["status", "stop"]
    assert completed("colorsweep --runs there status mi") == ["mild", "mine"]
    assert completed("colorsweep report --runs there o") == ["other"]
    assert completed("colorsweep colorize --runs there --sweep mi") == ["mild", "mine"]
    assert "quickstart" in completed("colorsweep launch q")
    assert {file.stem for file in SHIPPED.glob("*.yaml")} <= {*completed("colorsweep launch ")}
    assert completed("colorsweep status --wat") == ["--watch"]
