import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner, Result
from PIL import Image

from gan.datasets import PHOTOS, load
from gan.trainer import Trainer
from orchestrator.cli import main
from orchestrator.plan import expand
from orchestrator.spec import read_sweep

REPOSITORY = Path(__file__).parent.parent
COMMANDS = sorted(main.commands)
TINY = "base_channels: 4, batch_size: 8, eval_images: 12, log_every: 2, evaluate_every: 3"
TEXT = f"settings: {{steps: 6, {TINY}}}\n"
Files = dict[str, tuple[int, int]]


pytestmark = pytest.mark.usefixtures("workplace")


def tiny(npz: Path, steps: int) -> str:
    return f"settings: {{steps: {steps}, {TINY}, dataset: npz, dataset_path: {npz}}}\n"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def files(directory: Path) -> Files:
    """Everything below a directory, with size and time of change."""
    found = [(p, p.stat()) for p in directory.rglob("*")]
    return {str(p): (s.st_size if p.is_file() else 0, s.st_mtime_ns) for p, s in found}


def assert_refused(result: Result, *words: str) -> None:
    assert_one_line(result.exit_code, result.stdout, result.stderr, *words)


def assert_one_line(code: int, stdout: str, stderr: str, *words: str) -> None:
    (line,) = stderr.splitlines()
    assert line.startswith("Error: ")
    for word in words:
        assert word in line
    assert (code, stdout) == (2, "")


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


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"colorsweep {command} " in (REPOSITORY / "README.md").read_text()


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert call("--version").stdout.split()[-1] == project["version"]


# What a launch would do


def test_a_dry_run_of_the_quickstart_prints_its_five_trials_and_their_steps(
    workplace: Path,
) -> None:
    content = yaml.safe_load((REPOSITORY / "sweeps" / "quickstart.yaml").read_text())
    steps = str(content["settings"]["steps"])
    names = [
        "baseline",
        "saturation=0.25",
        "saturation=0.5",
        "saturation=0.75",
        "saturation=0.35, hue=0.6",
    ]
    result = call("launch", "quickstart", "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split() for line in result.stdout.splitlines()[1:6]]
    assert [row[0] for row in rows] == [name.split()[0] for name in names]
    assert [row[2:4] for row in rows] == [["new", steps]] * 5
    assert not files(workplace), "a dry run writes nothing"


def test_a_dry_run_shows_a_length_in_epochs_as_steps(small_npz: Path) -> None:
    text = f"settings: {{epochs: 2, batch_size: 10, dataset: npz, dataset_path: {small_npz}}}"
    Path("x.yaml").write_text(text)
    row = call("launch", "x.yaml", "--dry-run").stdout.splitlines()[1]
    assert row.split()[3] == "13", "128 images in batches of 10"


@pytest.mark.parametrize(("steps", "state"), [(6, "finished"), (7, "step 6"), (5, "finished")])
def test_a_dry_run_says_how_far_each_trial_is(
    launched: tuple[Path, Result], small_npz: Path, steps: int, state: str
) -> None:
    Path("tiny.yaml").write_text(f"{tiny(small_npz, steps)}points: [{{}}, {{hue: 0}}]")
    runs = str(launched[0] / "runs")
    result = call("--runs", runs, "launch", "tiny.yaml", "--dry-run")
    baseline, hue = result.stdout.splitlines()[1:3]
    assert f" {state} " in baseline
    assert " new " in hue


def test_one_bad_picture_is_reported_and_not_fatal(workplace: Path) -> None:
    pictures = workplace / "pictures"
    pictures.mkdir()
    originals = sorted((PHOTOS / "train").iterdir())[:12]
    for original in originals:
        shutil.copy(original, pictures)
    torn = pictures / "torn.jpg"
    torn.write_bytes(originals[0].read_bytes()[:2000])
    Path("x.yaml").write_text(f"{TEXT[:-2]}, dataset: folder, dataset_path: pictures}}")
    before = files(workplace)
    result = call("launch", "x.yaml", "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = (line for line in result.stdout.splitlines() if "skipped" in line)
    assert line.startswith(f"skipped {torn}: cannot be read")
    assert "baseline" in result.stdout
    assert files(workplace) == before


# What there is nothing to do for


def test_a_launch_with_nothing_to_do_starts_no_ray(launched: tuple[Path, Result]) -> None:
    here, result = launched
    assert result.exit_code == 0, result.output
    assert "1 trials: 0 new, 0 to go on with, 1 finished" in result.stdout
    assert "1 of 1 trials finished" in result.stdout
    assert not (here / "ray").exists()


def test_a_report_prints_where_its_page_is(workplace: Path, launched: tuple[Path, Result]) -> None:
    result = call("--runs", str(launched[0] / "runs"), "report", "tiny", "--out", "page")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "page/index.html\n"
    assert "baseline" in Path("page/index.html").read_text()


# Bad input

IN_A_FILE = {
    "YAML syntax": ("settings:\n\tsteps: 5", ["not valid YAML", "line 2"]),
    "impossible date": ("settings:\n  seed: 2020-13-45", ["not valid YAML"]),
    "unknown section": ("axis: {hue: [0]}", ["axis", "did you mean 'axes'?", "settings, axes"]),
    "unknown setting": (
        "settings: {batchsize: 8}",
        ["settings.batchsize", "did you mean 'batch_size'?", "valid: "],
    ),
    "unknown control": (
        "points: [{contrast: 0.5}]",
        ["points[0].contrast", "valid: saturation, hue, red, green, blue"],
    ),
    "misspelt control": ("axes: {huw: [0]}", ["axes.huw", "did you mean 'hue'?"]),
    "target out of range": (
        f"{TEXT}points: [{{}}, {{saturation: 1.5}}]",
        ["points[1]", "saturation.target", "is not in [0, 1]", "1.5"],
    ),
    "wrong type": ("settings: {steps: many}", ["settings: steps", "integer", "'many'"]),
    "no list": ("axes: {hue: 0.5}", ["axes.hue", "a list of values", "0.5"]),
    "infinite": ("settings: {epochs: .inf}", ["settings: epochs", "finite"]),
    "unknown dataset": (
        "settings: {steps: 5, dataset: cifar}",
        ["settings: dataset", "did you mean 'cifar10'?", "photos, folder, npz, cifar10, cifar100"],
    ),
    "no dataset_path": ("settings: {steps: 5, dataset: folder}", ["needs a dataset_path"]),
    "no length": ("settings: {batch_size: 8}", ["steps or epochs"]),
    "the same trial twice": (
        f"{TEXT}axes: {{hue: [0, 0.5]}}\npoints: [{{hue: 0.5}}]",
        ["points[0]", "the same trial as axes (hue.target: 0.5)"],
    ),
    "unknown resource": ("resources: {gpus: 1}", ["resources.gpus", "gpus_per_trial"]),
}


@pytest.mark.parametrize(("text", "words"), IN_A_FILE.values(), ids=IN_A_FILE)
@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["launch", "dry-run"])
def test_a_bad_sweep_file_is_refused_in_one_line(
    workplace: Path, text: str, words: list[str], options: list[str]
) -> None:
    Path("bad.yaml").write_text(text)
    before = files(workplace)
    assert_refused(call("launch", "bad.yaml", *options), "bad.yaml: ", *words)
    assert files(workplace) == before


def test_earlier_runs_are_left_alone_by_a_bad_sweep_file(
    workplace: Path, launched: tuple[Path, Result]
) -> None:
    shutil.copytree(launched[0], workplace, dirs_exist_ok=True)
    Path("tiny.yaml").write_text(f"{TEXT}points: [{{}}, {{hue: 2}}]")
    before = files(workplace)
    assert_refused(call("launch", "tiny.yaml"), "tiny.yaml: points[1]: hue.target")
    assert files(workplace) == before


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("quickstrat", ["quickstrat", "did you mean 'quickstart'?", "results", "saturation"]),
        ("nowhere/hue.yaml", ["nowhere/hue.yaml", "quickstart"]),
        ("mine.yml", ["mine.yml", "did you mean 'mine.yaml'?"]),
    ],
)
def test_an_unknown_sweep_file_is_refused_in_one_line(
    workplace: Path, given: str, words: list[str]
) -> None:
    if given.startswith("mine"):
        Path("mine.yaml").write_text(TEXT)
    before = files(workplace)
    assert_refused(call("launch", given), "no such sweep file", *words)
    assert files(workplace) == before


def make_pictures(directory: Path, kind: str) -> None:
    directory.mkdir()
    for index, original in enumerate(sorted((PHOTOS / "train").iterdir())[:3]):
        target = directory / f"{index}.jpg"
        if kind == "torn":
            target.write_bytes(original.read_bytes()[:2000])
        elif kind == "grayscale":
            Image.open(original).convert("L").save(target)
        elif kind == "grey RGB":
            Image.open(original).convert("L").convert("RGB").save(target)
        elif kind == "small":
            Image.open(original).resize((20, 20)).save(target)
        elif kind == "text":
            target.with_suffix(".txt").write_text("no picture")
    if kind == "one":
        shutil.copy(original, directory)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", ["no directory"]),
        ("empty", ["no images", ".jpg"]),
        ("text", ["no images", ".jpg"]),
        ("torn", ["no usable image", "0.jpg", "cannot be read"]),
        ("grayscale", ["no usable image", "0.jpg", "grayscale"]),
        ("grey RGB", ["no usable image", "0.jpg", "grayscale"]),
        ("small", ["no usable image", "0.jpg", "20x20", "image_size 32"]),
        ("one", ["one usable image"]),
    ],
)
@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["launch", "dry-run"])
def test_a_folder_without_usable_pictures_is_refused_in_one_line(
    workplace: Path, kind: str, words: list[str], options: list[str]
) -> None:
    if kind != "missing":
        make_pictures(workplace / "pictures", kind)
    Path("x.yaml").write_text(f"{TEXT[:-2]}, dataset: folder, dataset_path: pictures}}")
    before = files(workplace)
    result = call("launch", "x.yaml", *options)
    assert_refused(result, "dataset_path: ", str(workplace / "pictures"), *words)
    assert files(workplace) == before


@pytest.mark.parametrize("kind", ["missing", "text", "keys", "floats", "small"])
def test_a_bad_archive_is_refused_in_one_line(workplace: Path, kind: str) -> None:
    images = np.zeros((4, 32, 32, 3), np.uint8)
    if kind == "text":
        Path("x.npz").write_text("no archive")
    elif kind == "keys":
        np.savez("x.npz", images=images)
    elif kind == "floats":
        np.savez("x.npz", train=images / 255, test=images / 255)
    elif kind == "small":
        np.savez("x.npz", train=images[:, :16], test=images)
    Path("x.yaml").write_text(f"{TEXT[:-2]}, dataset: npz, dataset_path: x.npz}}")
    before = files(workplace)
    assert_refused(call("launch", "x.yaml"), "dataset_path: ", str(workplace / "x.npz"))
    assert files(workplace) == before


@pytest.mark.parametrize(
    "command", [["launch", "tiny.yaml"], ["report", "tiny"]], ids=lambda command: command[0]
)
def test_a_runs_directory_below_a_file_is_refused_in_one_line(
    workplace: Path, command: list[str]
) -> None:
    Path("tiny.yaml").write_text(TEXT)
    Path("somefile").write_text("in the way")
    before = files(workplace)
    assert_refused(call("--runs", "somefile/x", *command), str(workplace / "somefile" / "x"))
    assert files(workplace) == before


def test_a_page_below_a_file_is_refused_in_one_line(
    workplace: Path, launched: tuple[Path, Result]
) -> None:
    Path("somefile").write_text("in the way")
    before = files(workplace)
    result = call("--runs", str(launched[0] / "runs"), "report", "tiny", "--out", "somefile/x")
    assert_refused(result, "--out", "somefile/x")
    assert files(workplace) == before


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize(
    "command", [["launch", "tiny.yaml"], ["report", "tiny"]], ids=lambda command: command[0]
)
@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:{port}",
        "127.0.0.1:{port}",
        "localhost:{port}",
        "ftp://127.0.0.1:{port}",
        "http://[127.0.0.1:{port}",
        "postgresql://somebody@127.0.0.1:{port}/colorsweep",
        "sqlite:///{here}/tiny.yaml",
        "sqlite:///{here}/tiny.yaml/below.db",
    ],
)
def test_a_tracking_store_that_is_none_is_refused_in_one_line(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
    command: list[str],
    uri: str,
) -> None:
    Path("tiny.yaml").write_text(TEXT)
    before = files(workplace)
    uri = uri.format(port=closed_port, here=workplace)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    result = call(*command)
    assert_refused(result, "MLFLOW_TRACKING_URI: ", uri, "valid: http(s)://HOST:PORT", "sqlite:///")
    assert files(workplace) == before


def test_the_installed_command_says_no_more_of_an_absent_server(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    # In a process of its own: what libraries log goes to the same stderr, pytest sees it not.
    Path("tiny.yaml").write_text(TEXT)
    before = files(workplace)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed_port}")
    program = Path(sys.executable).with_name("colorsweep")
    ended = subprocess.run([program, "launch", "tiny.yaml"], capture_output=True, text=True)
    assert_one_line(ended.returncode, ended.stdout, ended.stderr, "MLFLOW_TRACKING_URI: ")
    assert files(workplace) == before


def test_a_report_of_an_unknown_sweep_is_refused_with_those_that_are(
    workplace: Path, launched: tuple[Path, Result]
) -> None:
    before = files(workplace)
    result = call("--runs", str(launched[0] / "runs"), "report", "tinny")
    assert_refused(result, "tinny: no such sweep", "tiny")
    assert files(workplace) == before


def test_a_report_where_nothing_was_launched_makes_nothing(workplace: Path) -> None:
    assert_refused(call("report", "tiny"), "no tracking store", "--runs")
    assert not files(workplace)
