import re
import shutil
import tomllib
import webbrowser
from pathlib import Path

import pytest
import torch
import yaml
from click.testing import Result

from gan.data.datasets import load
from gan.data.identity import PHOTOS
from gan.training.trainer import Trainer
from orchestrator.cli import main
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from orchestrator.worker.installed import installed
from tests.support.cli import TEXT, assert_refused, files, tiny
from tests.support.cli_flags import call
from tests.support.tracked_trials import artifacts, runs_of, store_of

REPOSITORY = Path(__file__).parents[2]
COMMANDS = sorted(main.commands)

pytestmark = pytest.mark.usefixtures("workplace")


@pytest.fixture(scope="module")
def launched(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A directory with ``tiny.yaml``, whose one trial is trained, after its launch."""
    here = tmp_path_factory.mktemp("launched")
    (here / "tiny.yaml").write_text(tiny(small_npz, 6))
    (trial,) = expand(read_sweep(here / "tiny.yaml"))
    trainer = Trainer(trial.config, load(trial.config), torch.device("cpu"))
    assert trainer.fit(here / "runs" / "sweeps" / "tiny" / trial.key)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setenv("RAY_TMPDIR", str(here / "ray"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        result = call("launch", "tiny.yaml")
    return here, result


# What there is


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_help(command: list[str], option: str) -> None:
    result = call(*command, option)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")
    entry = main.commands[command[0]] if command else main
    assert entry.help
    assert entry.help.splitlines()[0] in " ".join(result.stdout.split())
    for parameter in entry.params:
        if parameter.param_type_name == "option":
            assert max(parameter.opts, key=len) in result.stdout
            assert getattr(parameter, "help", None)


def test_the_version_is_the_projects_with_the_digest_that_nodes_are_compared_by() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    found = re.fullmatch(r"colorsweep (\S+) \([0-9a-f]{12}\)\n", call("--version").stdout)
    assert found is not None
    assert found[1] == project["version"]
    assert call("--version").stdout == f"colorsweep {installed()}\n"


# What a launch would do


def test_a_dry_run_of_the_quickstart_prints_its_trials_and_their_steps(
    workplace: Path,
) -> None:
    content = yaml.safe_load((REPOSITORY / "sweeps" / "quickstart.yaml").read_text())
    steps = str(content["settings"]["steps"])
    names = ["saturation=any", "baseline", "saturation=0.5,"]
    result = call("launch", "quickstart", "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = result.stdout.splitlines()[1:4]
    assert all(row.startswith(f"{name} ") for row, name in zip(rows, names, strict=True))
    assert all(re.search(rf" waiting +0/{steps} ", row) for row in rows)
    assert max(map(len, rows)) <= 80
    assert not files(workplace), "a dry run writes nothing"


def test_a_dry_run_shows_a_length_in_epochs_as_steps(small_npz: Path) -> None:
    text = f"settings: {{epochs: 2, batch_size: 10, dataset: npz, dataset_path: {small_npz}}}"
    Path("x.yaml").write_text(text)
    row = call("launch", "x.yaml", "--dry-run").stdout.splitlines()[1]
    assert row.split()[2] == "0/13", "128 images in batches of 10"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "shown"), [(6, "finished 6/6"), (7, "waiting 6/7"), (5, "finished 6/5")]
)
def test_a_dry_run_says_how_far_each_trial_is(
    launched: tuple[Path, Result], small_npz: Path, steps: int, shown: str
) -> None:
    Path("tiny.yaml").write_text(f"{tiny(small_npz, steps)}points: [{{}}, {{hue: 0}}]")
    runs = str(launched[0] / "runs")
    result = call("--runs", runs, "launch", "tiny.yaml", "--dry-run")
    baseline, hue = result.stdout.splitlines()[1:3]
    assert f" {shown} " in " ".join(baseline.split())
    assert " waiting 0/" in " ".join(hue.split())


def test_one_bad_picture_is_reported_and_not_fatal(workplace: Path) -> None:
    pictures = workplace / "pictures"
    pictures.mkdir()
    originals = sorted((PHOTOS / "train").iterdir())[:12]
    for original in originals:
        shutil.copy(original, pictures)
    torn = pictures / "torn.jpg"
    torn.write_bytes(originals[0].read_bytes()[:2000])
    shutil.copy(originals[0], pictures / "zzz.jpg")  # the last one is held out
    Path("x.yaml").write_text(f"{TEXT[:-2]}, dataset: folder, dataset_path: pictures}}")
    before = files(workplace)
    result = call("launch", "x.yaml", "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = (line for line in result.stdout.splitlines() if "skipped" in line)
    assert line.startswith(f"skipped {torn}: cannot be read")
    assert "pictures: 1 held-out image(s) are copies of training images; " in result.stdout
    assert "baseline" in result.stdout
    assert files(workplace) == before


# What there is nothing to do for


def test_a_launch_with_nothing_to_do_starts_no_ray(launched: tuple[Path, Result]) -> None:
    here, result = launched
    assert result.exit_code == 0, result.output
    assert "1 of 1 trials finished" in result.stdout
    assert "1 of 1 trials finished" in result.stdout
    assert not (here / "ray").exists()


def test_a_report_prints_where_its_page_is(workplace: Path, launched: tuple[Path, Result]) -> None:
    result = call("--runs", str(launched[0] / "runs"), "report", "tiny", "--out", "page")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "page/index.html\n"
    assert "baseline" in Path("page/index.html").read_text()


@pytest.mark.slow
def test_a_report_opens_in_a_browser_and_is_kept_in_mlflow_on_request(
    workplace: Path, launched: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = workplace / "opened"
    browser = workplace / "browser"
    browser.write_text(f"#!/bin/sh\necho $1 > {opened}\n")
    browser.chmod(0o755)
    monkeypatch.setattr(webbrowser, "_tryorder", None)  # what an earlier look has found
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    runs = launched[0] / "runs"
    result = call("--runs", str(runs), "report", "tiny", "--out", "page", "--open", "--log")
    assert result.exit_code == 0, result.output
    page = workplace / "page" / "index.html"
    assert opened.read_text().strip() == page.as_uri()
    assert result.stderr == "kept in the tracking store: run 'report' of tiny\n"
    client = store_of(runs)
    (kept,) = (run for run in runs_of(client, "tiny") if run.info.run_name == "report")
    assert artifacts(client, kept)["report/index.html"] == page.read_bytes()
    again = call("--runs", str(runs), "report", "tiny", "tiny", "--out", "again")
    assert again.exit_code == 0, "the report is no trial"
    assert (workplace / "again" / "rows.csv").read_bytes() == (
        workplace / "page" / "rows.csv"
    ).read_bytes()


def test_a_report_is_written_where_there_is_no_browser(
    workplace: Path, launched: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "_tryorder", None)
    monkeypatch.setenv("BROWSER", "/bin/false %s")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("DISPLAY", raising=False)
    result = call("--runs", str(launched[0] / "runs"), "report", "tiny", "--out", "page", "--open")
    assert (result.exit_code, result.stderr) == (1, "Error: --open: no browser could show it\n")
    assert Path("page/index.html").exists()


# What is refused beside something launched


def test_earlier_runs_are_left_alone_by_a_bad_sweep_file(
    workplace: Path, launched: tuple[Path, Result]
) -> None:
    shutil.copytree(launched[0], workplace, dirs_exist_ok=True)
    Path("tiny.yaml").write_text(f"{TEXT}points: [{{}}, {{hue: 2}}]")
    before = files(workplace)
    assert_refused(call("launch", "tiny.yaml"), "tiny.yaml:2: points[1]: hue.target")
    assert files(workplace) == before


def test_a_page_below_a_file_is_refused_in_one_line(
    workplace: Path, launched: tuple[Path, Result]
) -> None:
    Path("somefile").write_text("in the way")
    before = files(workplace)
    result = call("--runs", str(launched[0] / "runs"), "report", "tiny", "--out", "somefile/x")
    assert_refused(result, "--out", "somefile/x")
    assert files(workplace) == before


def test_a_report_of_an_unknown_sweep_is_refused_with_those_that_are(
    workplace: Path, launched: tuple[Path, Result]
) -> None:
    before = files(workplace)
    result = call("--runs", str(launched[0] / "runs"), "report", "tinny")
    assert_refused(result, "tinny: no such sweep", "tiny")
    assert files(workplace) == before
