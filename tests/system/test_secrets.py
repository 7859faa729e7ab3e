"""Credentials that are typed into a command or its environment, and all that it leaves behind."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from mlflow import MlflowClient

from orchestrator.store.object_store import ObjectStore
from reports.store import default_uri
from tests.support.cli import TEXT
from tests.support.cli_flags import call
from tests.support.leaks import assert_kept
from tests.support.s3 import Server

SECRETS = [
    "Hunter2Hunter",
    "Hun/ter2",
    "Hun@ter2",
    "Hun/t@er2/x",
    "Hun:ter2",
    "Hun?ter2#x",
    "Hun ter2",
]
AWAY = "127.0.0.1:9"
"""Where nothing answers."""
TRACKING = [
    f"http://user:{{}}@{AWAY}",
    f"https://{{}}@{AWAY}/path",
    "postgresql+nodriver://user:{}@host/db",
    "nonsense://user:{}@host",
    "mssql+nodriver:///?odbc_connect=UID=me;PWD={};Server=h",
    f"http://{AWAY}/?password={{}}",
]
STORAGE = {
    "s3://KEY:{}@bucket/x": SECRETS[1:4],  # the others are right, and would be asked of Amazon
    **dict.fromkeys(("s4://KEY:{}@bucket/x", "s3://KEY:{}@", "gs://KEY:{}@x?y=z"), SECRETS),
}


@pytest.mark.parametrize("form", TRACKING)
def test_an_error_of_the_tracking_store_keeps_its_secrets(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with_spaces = ":{}@" in form
    for secret in [
        *(s for s in SECRETS if with_spaces or " " not in s),
        quote(SECRETS[3], safe=""),
    ]:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", form.format(secret))
        result = call("report", "mine")
        assert (result.exit_code, result.stdout) == (2, "")
        line = result.stderr.splitlines()[-1]
        assert line.startswith("Error: MLFLOW_TRACKING_URI: no tracking store at ")
        assert "***" in line
        assert_kept(secret, result.stderr)


@pytest.mark.parametrize(("form", "secrets"), STORAGE.items())
def test_an_error_of_the_object_store_keeps_its_secrets(
    workplace: Path, form: str, secrets: list[str]
) -> None:
    for secret in secrets:
        for words in (("status",), ("stop", "mine"), ("launch", "quickstart")):
            result = call("--storage", form.format(secret), *words)
            assert (result.exit_code, result.stdout) == (2, "")
            assert result.stderr.startswith("Error: --storage: ")
            assert_kept(secret, result.stderr)


@pytest.mark.parametrize("words", ["launch a {}", "{}", "--storag={} status", "report --{}"])
def test_a_word_in_the_wrong_place_keeps_its_secrets(workplace: Path, words: str) -> None:
    for secret in (s for s in SECRETS if " " not in s):
        result = call(*words.format(f"s3://KEY:{secret}@bucket").split())
        assert (result.exit_code, result.stdout) == (2, "")
        assert_kept(secret, result.stderr)


CODE = """
import logging, sys, threading
from orchestrator.cli import main
main(["status"], standalone_mode=False)
uri = sys.argv[1]
logging.getLogger("urllib3.connectionpool").warning("Retrying after %s", uri)
try:
    raise OSError(uri)
except OSError:
    logging.getLogger("sqlalchemy.pool").exception("at \\x1b[2J %s", uri)
raise RuntimeError(f"ours: {uri}")
"""


def test_log_lines_of_libraries_and_tracebacks_keep_their_secrets(workplace: Path) -> None:
    for secret in SECRETS[:4]:
        command = [sys.executable, "-c", CODE, f"https://user:{secret}@host/a"]
        done = subprocess.run(command, capture_output=True, text=True, env=_environment())
        assert done.returncode == 1
        assert "Retrying after https://***@host/a\n" in done.stderr
        assert "RuntimeError: ours: https://***@host/a" in done.stderr
        assert done.stderr.count("OSError: https://***@host/a") == 1
        assert "\x1b" not in done.stderr
        assert_kept(secret, done.stderr)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


@pytest.mark.timeout(600)
def test_a_launch_with_a_secret_in_its_storage_leaves_it_nowhere(
    workplace: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial is finished in the store, so that no Ray is needed."""
    secret = "Huntsman/terrier2"  # long parts: pictures on pages may have any short one
    bucket = server.new_bucket().removeprefix("s3://")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    settings = "--steps 6 --base-channels 4 --batch-size 8 --eval-images 12 --log-every 2"
    words = shlex.split(f"--runs made train --name mine {settings} --evaluate-every 3")
    assert call(*words).exit_code == 0
    store = ObjectStore(f"s3://{bucket}")
    for file in Path("made/sweeps/mine").rglob("*"):
        if file.is_file():
            store.upload(file, str(file.relative_to("made")))
    Path("mine.yaml").write_text(TEXT)
    uri = f"s3://KEY:{quote(secret, safe='')}@{bucket}"
    command = [sys.executable, "-m", "orchestrator", "--storage", uri, "launch", "mine.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment())
    assert done.returncode == 0, done.stderr
    assert "1 of 1 trials finished" in done.stdout
    assert f"s3://***@{bucket}" in done.stdout
    experiment = MlflowClient(default_uri(Path("runs"))).get_experiment_by_name("mine")
    assert experiment is not None
    tag = experiment.tags["colorsweep.command"]
    assert tag == f"colorsweep --storage 's3://***@{bucket}' launch mine.yaml"
    # As an earlier version left it.
    client = MlflowClient(default_uri(Path("runs")))
    old = f"colorsweep --storage s3://KEY:{secret}@{bucket} launch mine.yaml"
    assert call("report", "mine").exit_code == 0
    report = {p.name: p.read_text() for p in Path("runs/reports/mine").iterdir() if p.is_file()}
    assert tag in report["README.md"]
    client.set_experiment_tag(experiment.experiment_id, "colorsweep.command", old)
    assert call("report", "mine").exit_code == 0
    for file in Path("runs/reports/mine").iterdir():
        if file.is_file():
            assert_kept(secret, file.read_text())
    assert_kept(secret, done.stdout, done.stderr, tag, *report.values())
    kept = [p for p in Path("runs").rglob("*") if p.is_file() and p.name != "mlflow.db"]
    assert_kept(secret, *(str(p) for p in kept), *(p.read_bytes().decode("latin-1") for p in kept))
