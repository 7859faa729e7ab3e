"""Bad input to every command: one line, exit code 2, and nothing written."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan.data.identity import PHOTOS
from tests.support.cli import TEXT, assert_one_line, assert_refused, files
from tests.support.cli_flags import call

pytestmark = pytest.mark.usefixtures("workplace")


IN_A_FILE = {
    "YAML syntax": ("settings:\n\tsteps: 5", ["bad.yaml:2: not valid YAML"]),
    "date": (
        "settings:\n  steps: 2020-12-24",
        [":2: settings.steps", "a number", "2020-12-24"],
    ),
    "unknown section": ("axis: {hue: [0]}", ["axis", "did you mean 'axes'?", "settings, axes"]),
    "unknown setting": (
        "settings: {batchsize: 8}",
        ["settings.batchsize", "did you mean 'batch_size'?"],
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
    "wrong type": ("settings: {steps: many}", ["settings.steps", "a number", "'many'"]),
    "no list": ("axes: {hue: 0.5}", ["axes.hue", "a list of values", "0.5"]),
    "infinite": ("settings: {epochs: .inf}", ["settings.epochs", "finite"]),
    "unknown dataset": (
        "settings: {steps: 5, dataset: cifar}",
        ["settings.dataset", "did you mean 'cifar10'?", "photos, folder, npz, cifar10, cifar100"],
    ),
    "no dataset_path": ("settings: {steps: 5, dataset: folder}", ["needs a dataset_path"]),
    "no length": ("settings: {batch_size: 8}", ["write steps: 1000, or epochs: 10"]),
    "the same trial twice": (
        f"{TEXT}axes: {{hue: [0, 0.5]}}\npoints: [{{hue: 0.5}}]",
        ["points[0]", "the same trial as axes (hue.target: 0.5)"],
    ),
    "unknown resource": (f"{TEXT}resources: {{gpus: 1}}", ["resources.gpus", "gpus_per_trial"]),
}


@pytest.mark.parametrize(("text", "words"), IN_A_FILE.values(), ids=IN_A_FILE)
@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["launch", "dry-run"])
def test_a_bad_sweep_file_is_refused_in_one_line(
    workplace: Path, text: str, words: list[str], options: list[str]
) -> None:
    Path("bad.yaml").write_text(text)
    before = files(workplace)
    assert_refused(call("launch", "bad.yaml", *options), "bad.yaml:", *words)
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


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "much"])
def test_a_price_that_is_none_is_refused_in_one_line(workplace: Path, price: str) -> None:
    result = call("launch", "quickstart", "--dry-run", "--price", price)
    assert_refused(result, "--price", price)


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


@pytest.mark.slow
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


@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["launch", "dry-run"])
def test_one_held_out_image_has_no_second_half(workplace: Path, options: list[str]) -> None:
    images = np.zeros((8, 32, 32, 3), np.uint8)
    np.savez("x.npz", train=images, test=images[:1])
    text = f"{TEXT[:-2]}, dataset: npz, dataset_path: x.npz, eval_half: "
    Path("second.yaml").write_text(f"{text}second}}")
    Path("first.yaml").write_text(f"{text}first}}")
    before = files(workplace)
    result = call("launch", "second.yaml", *options)
    assert_refused(result, "eval_half: ", "dataset npz (x.npz)", "no second half")
    assert files(workplace) == before
    assert call("launch", "first.yaml", "--dry-run").exit_code == 0


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


@pytest.mark.parametrize(
    "command",
    [
        ["launch", "LONG"],
        ["launch", "folder.yaml", "--dry-run"],
        ["launch", "lsun.yaml", "--dry-run"],
        ["--runs", "LONG", "status"],
        ["status", "LONG"],
        ["colorize", "LONG", "--generator", "."],
        ["export", "--generator", "LONG", "--out", "here"],
    ],
    ids=" ".join,
)
def test_a_path_that_is_too_long_is_refused_in_one_line(
    workplace: Path, command: list[str]
) -> None:
    long = "x" * 5000
    for name in ("folder", "lsun"):
        text = f"settings: {{steps: 5, dataset: {name}, dataset_path: {long}}}"
        Path(f"{name}.yaml").write_text(text)
    result = call(*(long if word == "LONG" else word for word in command))
    assert_refused(result, "File name too long")
    assert len(result.stderr) < 500


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
    shown = uri.replace("somebody", "***")  # where there is no password, the user may be a token
    valid = "valid: http(s)://HOST:PORT"
    assert_refused(result, "MLFLOW_TRACKING_URI: ", shown, valid, "sqlite:///")
    assert files(workplace) == before


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_installed_command_says_no_more_where_torchvision_was_loaded(workplace: Path) -> None:
    # With it comes Triton, which complains of objects that a frozen collector leaves.
    options = ["--dataset", "cifar10", "--dataset-path", ".", "--name", "own", "--steps", "6"]
    program = Path(sys.executable).with_name("colorsweep")
    ended = subprocess.run([program, "train", *options], capture_output=True, text=True)
    assert_one_line(ended.returncode, ended.stdout, ended.stderr, "dataset_path: CIFAR10 is not in")


def test_a_report_where_nothing_was_launched_makes_nothing(workplace: Path) -> None:
    assert_refused(call("report", "tiny"), "no sweep was launched there", "--runs")
    assert not files(workplace)
