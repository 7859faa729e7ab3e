"""Files and directories whose names are not UTF-8."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from gan.byte_names import as_path, as_text
from gan.config import TrainConfig
from gan.data.datasets import load
from gan.data.identity import PHOTOS
from gan.errors import UserError
from gan.plain_text import printable
from tests.support.cli_flags import call
from tests.support.saved_generators import PHOTOGRAPH, save, steered
from tests.support.streamed_images import config, of_folder, streamed
from tests.support.tracked_trials import only_run, store_of

CAFE = os.fsdecode(b"caf\xe9")
SHOWN = r"caf\xe9"
SMALL = "--base-channels 4 --batch-size 8 --eval-images 4 --steps 2 --sample-interval 2"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """16 photographs, one of them a level down in a directory of such a name too."""
    for directory in (CAFE, "plain"):
        (tmp_path / directory / CAFE).mkdir(parents=True)
        for n, file in enumerate(sorted((PHOTOS / "train").iterdir())[:16]):
            below = CAFE if n == 0 else ""
            shutil.copy(file, tmp_path / directory / below / f"{CAFE}{n:02}.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (CAFE, SHOWN),
        ("plain/ünï/\u202e\n", "plain/ünï/\u202e\n"),
        (os.fsdecode(bytes(range(1, 256))), None),
    ],
)
def test_a_path_comes_back_from_its_text(path: str, text: str | None) -> None:
    assert os.fsencode(as_path(as_text(path))) == os.fsencode(path)
    assert text is None or as_text(path) == text
    as_text(path).encode()


def test_printable_text_is_one_line_of_utf_8() -> None:
    assert printable(f"{CAFE}/ünï 'q' $x.png") == f"{SHOWN}/ünï 'q' $x.png"
    assert printable("a\x1b[31m\nb\u202e") == r"a\x1b[31m\nb\u202e"
    assert str(UserError(f"{CAFE}\n: is empty")) == rf"{SHOWN}\n: is empty"


def test_a_config_with_such_a_path_goes_through_json() -> None:
    settings = of_folder(Path("data", CAFE))
    assert TrainConfig.model_validate_json(settings.model_dump_json()) == settings
    assert settings.key() == of_folder(Path("data", SHOWN)).key()


def test_such_a_folder_trains_like_one_of_another_name(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / CAFE / f"{CAFE}99.jpg").write_bytes(b"no picture")
    dataset = load(of_folder(here / CAFE))
    assert dataset.digest == load(of_folder(here / "plain")).digest
    (line,) = dataset.skipped
    assert line.startswith(rf"{here}/{SHOWN}/{SHOWN}99.jpg: cannot be read")
    disk = streamed(of_folder(here / CAFE), monkeypatch)
    assert disk.skipped == dataset.skipped
    assert disk.digest == streamed(of_folder(here / "plain"), monkeypatch).digest


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_such_a_folder_is_checkpointed_tracked_and_reported() -> None:
    flags = ["--dataset", "folder", "--dataset-path", CAFE, *SMALL.split()]
    result = call("train", "--name", "cafe", *flags)
    assert result.exit_code == 0, result.output
    *_, saved = Path("runs/sweeps/cafe").glob("*/checkpoints/*/config.json")
    assert TrainConfig.model_validate_json(saved.read_text()).dataset_path == SHOWN
    run = only_run(store_of(Path("runs")), "cafe")
    assert run.data.params["dataset_path"] == SHOWN
    assert call("report", "cafe").exit_code == 0
    assert SHOWN in Path("runs/reports/cafe/index.html").read_text()


def test_an_archive_of_such_a_name_trains(here: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    with (here / f"{CAFE}.npz").open("wb") as file:
        np.savez(file, train=pictures, test=pictures[:2])
    archive = config(dataset="npz", dataset_path=f"{CAFE}.npz", batch_size=4, distribution_weight=0)
    assert len(load(archive).train) == 4


def test_such_pictures_are_coloured_like_others(here: Path) -> None:
    save(steered(saturation=0.5), here / f"generator{CAFE}")
    (here / "in").mkdir()
    for name in (f"{CAFE}.png", "new\nline.png", "a.png"):
        shutil.copy(PHOTOGRAPH, here / "in" / name)
    torn = here / "in" / f"torn{CAFE}.png"
    torn.write_bytes(PHOTOGRAPH.read_bytes()[:3000])
    result = call("colorize", "in", "--generator", f"generator{CAFE}", "--out", f"out{CAFE}")
    assert result.exit_code == 1
    generator, *lines = result.stdout.splitlines()
    assert generator == f"generator: generator{SHOWN}"
    assert [line.split("  ")[0] for line in lines] == [
        f"in/{name} -> out{SHOWN}/{name}" for name in ("a.png", f"{SHOWN}.png", r"new\nline.png")
    ]
    assert result.stderr.startswith(f"Error: in/torn{SHOWN}.png: cannot be read as an image")
    written = (here / f"out{CAFE}" / name for name in (f"{CAFE}.png", "a.png"))
    assert len({file.read_bytes() for file in written}) == 1


REFUSED = [
    (["launch", f"{CAFE}.yaml"], rf"name of the sweep: {SHOWN} is not UTF-8"),
    (["--runs", CAFE, "launch", "s.yaml"], rf"/{SHOWN} is not UTF-8, as MLflow and Ray need it"),
    (["--runs", CAFE, "train", "--steps", "2"], rf"/{SHOWN} is not UTF-8, as MLflow and Ray need"),
]


@pytest.mark.parametrize(("command", "words"), REFUSED)
def test_what_mlflow_and_ray_cannot_hold_is_told_in_one_line_before_anything_starts(
    here: Path, command: list[str], words: str
) -> None:
    for name in ("s.yaml", f"{CAFE}.yaml"):
        (here / name).write_text("settings: {steps: 2}\npoints: [{}]\n")
    before = sorted(here.iterdir())
    result = call(*command)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(here.iterdir()) == before


def test_a_launch_in_a_directory_of_such_a_name_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / CAFE / "s.yaml").write_text("settings: {steps: 2}\npoints: [{}]\n")
    monkeypatch.chdir(here / CAFE)
    result = call("--runs", str(here / "runs"), "launch", "s.yaml")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert rf"current directory: {here}/{SHOWN} is not UTF-8" in result.stderr
