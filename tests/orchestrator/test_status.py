"""A sweep that was launched in this process, looked at, edited and launched again."""

import json
import shutil
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gan.control import Control, ControlName
from orchestrator.store.attempts import Attempt
from orchestrator.store.lock import lock
from orchestrator.store.manifest import read_manifest, write_manifest
from orchestrator.store.sealed import sealed, unsealed
from orchestrator.store.trial_state import MAX_DEATHS
from orchestrator.sweep.trials import Trial
from orchestrator.worker import run as run_module
from orchestrator.worker.run import LocalTrial
from orchestrator.worker.stop_signal import StopSignal
from tests.support.cli_flags import call
from tests.support.s3 import wait_for
from tests.support.tiny_sweep import record, train

pytestmark = pytest.mark.usefixtures("quick_evaluations", "workplace")


@pytest.fixture(scope="module")
def trained(
    quick_evaluations: None, small_npz: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A current directory with a sweep of two trials on record, the first of which is trained."""
    here = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        train(record(here, 6, small_npz), 0)
    return here


@pytest.fixture
def sweep(workplace: Path, trained: Path) -> Path:
    """The directory of a copy of it, to change."""
    shutil.copytree(trained, workplace, dirs_exist_ok=True)
    return workplace / "runs" / "sweeps" / "tiny"


def test_status_says_how_each_trial_is_from_the_directory_alone(sweep: Path) -> None:
    result = call("status", "tiny")
    assert (result.exit_code, result.stderr) == (0, "")
    _, first, second, finished, goodput, checkpoints = result.stdout.splitlines()
    assert first.split()[:4] == ["baseline,", "seed=1", "finished", "6/6"]
    assert second.split() == ["baseline,", "seed=2", "waiting", "0/6"]
    assert finished == "tiny: 1 of 2 trials finished, 1 waiting"
    assert goodput.startswith("goodput ")
    assert checkpoints.startswith("checkpoints took ")
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.slow
def test_status_counts_what_was_lost_and_who_died(sweep: Path) -> None:
    key = read_manifest(sweep)[1].key
    train(sweep, 1, steps=3)
    (file,) = (sweep / key / "attempts").iterdir()
    # As if it had gone on to step 5, and died just now.
    file.write_bytes(sealed(unsealed(file.read_bytes()) | {"ended": None, "step": 5}))
    with lock(sweep / key, "it is trained"):
        (_, running) = json.loads(call("status", "tiny", "--json").stdout)["trials"]
    assert (running["phase"], running["step"], running["durable_step"]) == ("running", 5, 3)
    (_, died) = json.loads(call("status", "tiny", "--json").stdout)["trials"]
    assert (died["phase"], died["step"], died["durable_step"]) == ("died", 3, 3)
    # A mirror has no locks: silence tells there.
    (sweep / key / "claim.json").unlink()
    for silence, phase in ((0, "running"), (3600, "died")):
        attempt = unsealed(file.read_bytes())
        times = {"seen": time.time() - silence, "started": time.time() - silence - 100}
        file.write_bytes(sealed(attempt | times))
        (_, found) = json.loads(call("status", "tiny", "--json").stdout)["trials"]
        assert found["phase"] == phase
    train(sweep, 1)
    found = json.loads(call("status", "tiny", "--json").stdout)
    (_, after) = found["trials"]
    assert (after["phase"], after["restarts"], after["wasted_steps"]) == ("finished", 1, 2)
    assert 0 < found["goodput"] < 1


def test_the_goodput_of_a_sweep_is_that_of_what_is_trained(sweep: Path) -> None:
    before = json.loads(call("status", "tiny", "--json").stdout)["goodput"]
    trials = read_manifest(sweep)
    config = trials[0].config
    controls: dict[ControlName, Control] = {"saturation": Control(target=0.5)}
    moved = config.recoloured_as(config.model_copy(update={"controls": controls}))
    write_manifest(sweep, [*trials, Trial("recoloured", moved.key(), moved)])
    diary = unsealed(next((sweep / trials[0].key / "attempts").iterdir()).read_bytes())
    diary |= {"counted": 0.0, "started": diary["seen"] - 1000}
    (sweep / moved.key() / "attempts").mkdir(parents=True)
    (sweep / moved.key() / "attempts" / "1-host-1.json").write_text(json.dumps(diary))
    found = json.loads(call("status", "tiny", "--json").stdout)
    assert found["trials"][2]["goodput"] == 0
    assert found["goodput"] == before


def test_a_trial_that_is_to_be_trained_further_waits(sweep: Path) -> None:
    longer = [
        replace(t, config=t.config.model_copy(update={"steps": 9})) for t in read_manifest(sweep)
    ]
    write_manifest(sweep, longer)
    (first, _) = json.loads(call("status", "tiny", "--json").stdout)["trials"]
    assert (first["phase"], first["step"], first["total_steps"]) == ("waiting", 6, 9)


def test_without_a_name_every_sweep_has_a_line(sweep: Path) -> None:
    other = sweep.parent / "other"
    other.mkdir()
    write_manifest(other, read_manifest(sweep)[1:])
    result = call("status")
    assert (result.exit_code, result.stderr) == (0, "")
    _, first, second = result.stdout.splitlines()
    assert first.split() == ["other", "1", "1", "waiting"]
    assert second.split()[:6] == ["tiny", "2", "1", "waiting,", "1", "finished"]
    assert max(map(len, result.stdout.splitlines())) <= 80
    found = json.loads(call("status", "--json").stdout)
    assert [each["sweep"] for each in found] == ["other", "tiny"]
    assert found[1] == json.loads(call("status", "tiny", "--json").stdout)


def test_a_search_that_has_chosen_no_trial_yet_is_a_sweep(workplace: Path) -> None:
    directory = workplace / "runs" / "sweeps" / "tiny"
    directory.mkdir(parents=True)
    write_manifest(directory, [])
    result = call("status", "tiny")
    assert (result.exit_code, result.output) == (0, "tiny: no trial yet\n")
    assert json.loads(call("status", "tiny", "--json").stdout)["trials"] == []
    assert call("status").stdout.splitlines()[1].split() == ["tiny", "0"]
    with lock(directory, "it is launched"):
        assert call("stop", "tiny").stdout == "asked to stop: tiny, which has no trial yet\n"


def test_where_nothing_was_launched_status_says_so(workplace: Path) -> None:
    result = call("status")
    assert (result.exit_code, result.stdout) == (0, "nothing has been launched yet in runs\n")


def test_what_is_unknown_is_refused_in_one_line(sweep: Path) -> None:
    for command in ("status", "stop"):
        result = call(command, "tinny")
        assert (result.exit_code, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert "did you mean 'tiny'?" in line
    with lock(sweep, "it is launched"):
        (line,) = call("stop", "tiny", "baseline, seed=3").stderr.splitlines()
    assert "baseline, seed=1" in line


def test_a_stop_is_asked_of_what_runs(sweep: Path) -> None:
    assert "nothing runs it" in call("stop", "tiny").stderr
    with lock(sweep, "it is launched"):
        one = call("stop", "tiny", "baseline, seed=2", "--json")
        assert one.exit_code == 0, one.output
        assert json.loads(one.stdout) == {"sweep": "tiny", "asked": ["baseline, seed=2"]}
        assert (sweep / read_manifest(sweep)[1].key / "stop").exists()
        assert not (sweep / "stop").exists()
        said = call("stop", "tiny").stdout.splitlines()
        assert said == ["asked to stop: baseline, seed=1", "asked to stop: baseline, seed=2"]
        assert (sweep / "stop").exists()


def test_a_second_launch_is_refused_while_the_first_lives(sweep: Path) -> None:
    with lock(sweep, "tiny is launched"):
        result = call("launch", "tiny.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "tiny is launched already: process " in result.stderr
    assert "; to watch it: colorsweep status tiny --watch; to stop it: colorsweep stop tiny" in (
        result.stderr
    )


def test_a_cluster_that_does_not_answer_is_told_before_the_sweep_is_held(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    with lock(sweep, "tiny is launched"):  # by the right launch
        assert "RAY_ADDRESS" in call("launch", "tiny.yaml").stderr


def test_a_trial_that_died_restarts_while_its_launch_lives(sweep: Path) -> None:
    key = read_manifest(sweep)[1].key
    (sweep / key / "attempts").mkdir(parents=True)

    def die(times: int) -> None:
        for at in range(times):
            attempt = asdict(Attempt("host", 1, 10.0 * at, 10.0 * at + 1, total_steps=6))
            (sweep / key / "attempts" / f"{at + 10}-host-1.json").write_bytes(sealed(attempt))

    def phase() -> str:
        (_, found) = json.loads(call("status", "tiny", "--json").stdout)["trials"]
        return str(found["phase"])

    die(MAX_DEATHS)
    assert phase() == "died"
    with lock(sweep, "tiny is launched"):
        assert phase() == "restarting"
        die(MAX_DEATHS + 1)
        assert phase() == "died"


def test_a_dry_run_tells_the_time_and_the_cost_left(sweep: Path) -> None:
    plan = json.loads(call("launch", "tiny.yaml", "--dry-run", "--json", "--price", "3.6").stdout)
    first, second = plan["trials"]
    assert (first["phase"], second["phase"]) == ("finished", "waiting")
    assert (first["seconds"], second["steps"]) == (0, 6)
    assert second["seconds"] == plan["seconds"] == plan["seconds_at_once"] > 0
    assert plan["cost"] == pytest.approx(plan["seconds"] / 1000)
    shown = call("launch", "tiny.yaml", "--dry-run").stdout
    assert "1 of 2 trials finished, 1 waiting" in shown
    assert "time left: " in shown
    assert "--dry-run" in call("launch", "tiny.yaml", "--json").stderr


@pytest.mark.slow
def test_a_trial_that_leaves_the_file_is_kept_and_leaves_the_report(sweep: Path) -> None:
    train(sweep, 1)
    kept = read_manifest(sweep)[1].key
    assert call("launch", "tiny.yaml").exit_code == 0
    text = Path("tiny.yaml").read_text()
    Path("tiny.yaml").write_text(text.replace(", {seed: 2}", ""))
    said = "no longer in the file: [baseline, seed=2]; kept, and left out of the report"
    assert said in call("launch", "tiny.yaml", "--dry-run").stdout
    edited = call("launch", "tiny.yaml")
    assert edited.exit_code == 0, edited.output
    assert said in edited.stdout
    assert (sweep / kept / "checkpoints").is_dir()

    def reported(*options: str) -> str:
        assert call("report", "tiny", "--out", "page", *options).exit_code == 0
        return Path("page/rows.csv").read_text()

    assert kept not in reported()
    assert kept in reported("--all")
    Path("tiny.yaml").write_text(text)
    assert "new: [baseline, seed=2]" in call("launch", "tiny.yaml").stdout
    assert kept in reported(), "it is back, and was not trained again"


def test_a_disk_that_fails_for_a_while_does_not_hide_a_later_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def failing(trial: Path) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError(116, "Stale file handle")

    monkeypatch.setattr(run_module, "LOOK_SECONDS", 0.01)
    stop, trial = StopSignal(), tmp_path / "key"
    trial.mkdir()
    with LocalTrial(trial, stop):
        monkeypatch.setattr(run_module, "read_marker", failing)
        assert failed.wait(30)
        (trial / "stop").touch()
        wait_for(stop.is_set)
