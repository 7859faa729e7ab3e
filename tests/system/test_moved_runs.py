"""A directory of runs that is moved, or copied, with the tracking store in it."""

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from gan import checkpoint
from reports import trial_generators
from reports.store import default_uri
from tests.support.cli import Files, files
from tests.support.cli_flags import call, config
from tests.support.processes import Program
from tests.support.saved_generators import PHOTOGRAPH
from tests.support.tracked_trials import artifacts, only_run, store_of

pytestmark = pytest.mark.usefixtures("workplace")
SETTINGS = "--base-channels 4 --batch-size 8 --eval-images 12 --log-every 2 --evaluate-every 3"


@dataclass(frozen=True)
class Story:
    """Runs with a finished trial, copied and then moved; trained on in the copy."""

    key: str
    original: Path
    copy: Path
    """A copy, in which the trial was trained on."""
    moved: Path
    """The original, which is only read since."""
    before_copy: Files
    """Files of the original, before the training in the copy."""
    after_copy: Files
    ends: list[str]
    """Errors of the trainings."""

    def generator(self, runs: Path) -> bytes:
        newest = checkpoint.newest(runs / "sweeps" / "train" / self.key)
        assert newest is not None
        return newest.files[checkpoint.GENERATOR]


@pytest.fixture(scope="module")
def story(small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    base = tmp_path_factory.mktemp("base") / "a #1, ü; b"
    original, copy, moved = (base / n for n in ("original", "copy", "moved"))
    flags = f"{SETTINGS} --dataset npz --dataset-path {small_npz}"

    train = ["train", *shlex.split(flags), "--steps"]
    ends = [Program("--runs", original, *train, "6", OMP_NUM_THREADS="1").end().stderr]
    shutil.copytree(original, copy)
    before = files(original)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        ends.append(call("--runs", str(copy), *train, "9").stderr)
    after = files(original)
    original.rename(moved)
    key = config(f"{flags} --steps 6").key()
    return Story(key, original, copy, moved, before, after, ends)


def report(runs: Path) -> str:
    result = call("--runs", str(runs), "report", "train", "--out", "page")
    assert (result.exit_code, result.stderr) == (0, "")
    return Path("page/index.html").read_text()


def test_a_copy_writes_nothing_into_the_original(story: Story) -> None:
    assert story.ends == ["", ""]
    assert story.after_copy == story.before_copy


@pytest.mark.parametrize("name", ["moved", "copy"])
def test_pictures_and_generator_are_found_where_the_directory_lies(
    story: Story, name: str, tmp_path: Path
) -> None:
    runs = getattr(story, name)
    before = (runs / "mlflow.db").read_bytes()
    assert "data:image/webp" in report(runs)
    (found,) = trial_generators.by_targets(default_uri(runs), "train", [{}], tmp_path)
    assert (found.generator / checkpoint.GENERATOR).read_bytes() == story.generator(runs)
    shutil.copy(PHOTOGRAPH, "grey.jpg")
    result = call("--runs", str(runs), "colorize", "grey.jpg", "--sweep", "train")
    assert (result.exit_code, result.stderr) == (0, "")
    assert Path("grey-colorized.jpg").exists()
    assert (runs / "mlflow.db").read_bytes() == before, "readers leave the store as it is"
    assert not story.original.exists()


def test_mlflow_itself_finds_them_once_a_training_went_on(story: Story) -> None:
    runs = story.copy
    client = store_of(runs)
    run = only_run(client, "train")
    found = artifacts(client, run)
    assert {f"samples/step-{step:08}.png" for step in (3, 6, 9)} <= found.keys()
    assert found["generator/generator.safetensors"] == story.generator(runs)
    experiment = client.get_experiment_by_name("train")
    assert experiment is not None
    assert experiment.artifact_location == (runs / "mlartifacts" / "train").as_uri()
    assert run.info.artifact_uri == f"{experiment.artifact_location}/{run.info.run_id}/artifacts"


def test_a_report_is_kept_in_the_copy(story: Story, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(story.moved, tmp_path / "copy"))
    before = files(story.moved)
    result = call("--runs", str(copy), "report", "train", "--log", "--out", str(tmp_path / "page"))
    assert result.exit_code == 0, result.output
    assert files(story.moved) == before
    assert list((copy / "mlartifacts" / "train").glob("*/artifacts/report/index.html"))
