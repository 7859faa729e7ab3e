import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from gan.config import TrainConfig
from gan.inference.colorizer import Colorizer
from gan.model.stored_generator import load_generator
from orchestrator.inference import onnx_export
from tests.support.cli import assert_refused, files
from tests.support.cli_flags import call
from tests.support.saved_generators import photograph, save, steered, track, vivid

TRIAL = steered(recolour=True, hue=0.5).model_copy(
    update={"dataset": "folder", "dataset_path": "/home/somebody/pictures"}
)


# One export for all: it takes 10 s, most of it imports.
@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The directory that a trial was exported into, and what was printed."""
    directory = tmp_path_factory.mktemp("export")
    run_id = track(directory / "runs", "mine", "it", TRIAL)
    out = directory / "new" / "out"
    result = call("--runs", str(directory / "runs"), "export", "--run", run_id, "--out", str(out))
    assert (result.exit_code, result.stderr) == (0, "")
    return out, result.stdout


@pytest.fixture(scope="module")
def out(printed: tuple[Path, str]) -> Path:
    return printed[0]


@pytest.mark.slow
def test_the_onnx_file_makes_what_the_network_makes_at_any_size(out: Path) -> None:
    session = onnxruntime.InferenceSession(
        out / "generator.onnx", providers=["CPUExecutionProvider"]
    )
    generator = vivid(TRIAL)
    random = torch.Generator().manual_seed(3)
    for batch, rows, columns in ((1, 2, 2), (3, 7, 3), (2, 1, 1)):
        sides = rows * generator.stride, columns * generator.stride
        l = torch.rand(batch, 1, *sides, generator=random) * 2 - 1  # noqa: E741
        (ab,) = session.run(["ab"], {"l": l.numpy()})
        with torch.inference_mode():
            expected = generator(l).numpy()
        assert ab.shape == (batch, 2, *sides)
        assert np.abs(ab - expected).max() < 1e-5
        assert np.abs(expected).max() > 0.1


def test_the_onnx_file_describes_itself_and_nothing_of_this_machine(out: Path) -> None:
    file = out / "generator.onnx"
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    described = {entry.key: entry.value for entry in model.metadata_props}
    told = TrainConfig.model_validate(json.loads(described["config"]))
    assert told == TRIAL.model_copy(update={"dataset_path": "pictures"})
    assert b"somebody" not in b"".join(other.read_bytes() for other in out.iterdir())
    assert described["l"].startswith("L* / 50 - 1")
    assert "sides multiples of 16, the shorter one best 32 to 64" in described["l"]
    assert described["ab"].startswith("a* / 110, b* / 110")
    assert str(Path.cwd()).encode() not in file.read_bytes()
    assert b"site-packages" not in file.read_bytes()


def test_what_is_exported_can_be_used(out: Path) -> None:
    assert {file.name for file in out.iterdir()} == {
        *("config.json", "generator.onnx", "generator.safetensors")
    }
    expected = Colorizer(vivid(TRIAL))(photograph())
    np.testing.assert_array_equal(Colorizer.load(out)(photograph()), expected)


def test_the_difference_is_said_and_that_recolouring_is_not_in_it(
    printed: tuple[Path, str],
) -> None:
    out, text = printed
    assert f"{out}/generator.onnx: within " in text
    assert "the network alone" in text


def test_a_file_that_makes_something_else_is_not_written(
    workplace: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(TRIAL.model_copy(update={"seed": 1}), workplace / "generator")
    content = (out / "generator.onnx").read_bytes()
    monkeypatch.setattr(onnx_export, "to_onnx", lambda generator: content)
    before = files(workplace)
    result = call("export", "--generator", "generator", "--out", "elsewhere")
    assert_refused(result, "as ONNX its ab differs by", "more than 0.0001", "nothing is written")
    assert files(workplace) == before


@pytest.mark.slow
def test_a_file_that_is_there_is_replaced_on_request_only(workplace: Path) -> None:
    save(TRIAL, workplace / "generator")
    (workplace / "out").mkdir()
    (workplace / "out" / "config.json").write_text("somebody's own")
    before = files(workplace)
    command = ("export", "--generator", "generator", "--out", "out")
    assert_refused(call(*command), "out has config.json already", "--overwrite")
    assert files(workplace) == before
    assert call(*command, "--overwrite").exit_code == 0
    assert Colorizer.load(workplace / "out").config.controls == TRIAL.controls


@pytest.mark.slow
def test_weights_of_16_bits_are_those_of_the_onnx_file_too(workplace: Path) -> None:
    save(TRIAL, workplace / "generator")
    assert call("export", "--generator", "generator", "--half", "--out", "out").exit_code == 0
    whole, half = (Path(of, "generator.safetensors").stat().st_size for of in ("generator", "out"))
    assert half < 0.6 * whole
    onnx = Path("out/generator.onnx").read_bytes()
    assert onnx_export.largest_difference(load_generator(Path("out")), onnx) < 1e-5


def test_bad_options_are_refused_in_one_line(workplace: Path) -> None:
    both = ("--sweep", "x", "--generator", "y")
    assert_refused(call("export", *both, "--out", "out"), "give only one of --sweep, --run and")
    assert_refused(call("export", "--generator", "x"), "--out")
    assert_refused(call("export", "--generator", "x", "--out", "y"), "x: no generator to load")
    assert files(workplace) == {}


def test_without_the_extra_it_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "PACKAGES", ("onnx", "onnx_of_nowhere"))
    generator = save(TRIAL, tmp_path / "generator")
    result = call("export", "--generator", str(generator), "--out", str(tmp_path / "out"))
    assert_refused(result, "onnx_of_nowhere not installed", "pip install onnx")
    assert not (tmp_path / "out").exists()
