"""The generator that comes along: it is there, small, and served without a sweep."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gan.inference.colorizer import Colorizer
from gan.pretrained import PRETRAINED, PRETRAINED_TARGETS
from reports.generators import load
from tests.support.saved_generators import photograph


def saturation(picture: NDArray[np.uint8]) -> float:
    rgb = picture.astype(np.float64)
    return float((np.ptp(rgb, axis=2) / rgb.max(axis=2).clip(1)).mean())


def test_its_files_are_small_and_hold_no_path() -> None:
    assert (PRETRAINED / "generator.safetensors").stat().st_size <= 12_000_000
    assert {file.name for file in PRETRAINED.iterdir() if file.is_file()} == {
        *("__init__.py", "README.md", "config.json", "generator.safetensors")
    }
    config = Colorizer.load().config
    assert (config.dataset, config.dataset_path) == ("photos", None)


@pytest.mark.parametrize("target", [0.1, 0.6])
def test_it_makes_any_saturation(target: float) -> None:
    assert Colorizer.load().config.any_controls.keys() == {"saturation"}
    coloured = load()(photograph(), {"saturation": target})
    assert saturation(coloured) == pytest.approx(target, abs=0.003)
    np.testing.assert_array_equal(
        Colorizer.load()(photograph(), {"saturation": target}, raw=True),
        load(PRETRAINED)(photograph(), {"saturation": target}, raw=True),
    )


def test_without_a_number_it_makes_that_of_a_usual_photograph() -> None:
    (assumed,) = PRETRAINED_TARGETS.values()
    assert saturation(load()(photograph())) == pytest.approx(assumed, abs=0.003)


def test_a_statistic_that_it_is_not_given_is_met_alone() -> None:
    colorize = load()
    assert colorize.targets({"hue": 0.6}) == {"hue": 0.6}
    rgb = colorize(photograph(), {"blue": 0.5}).mean(axis=(0, 1)) / 255
    assert rgb[2] == pytest.approx(0.5, abs=0.003)


@pytest.mark.slow
def test_it_is_loaded_without_mlflow_or_runs(tmp_path: Path) -> None:
    code = (
        "import sys, reports.generators, orchestrator.inference.colorize_files;"
        "reports.generators.load(); print(*{'mlflow', 'kornia', 'torchvision', 'ray', 'matplotlib'}"
        "& sys.modules.keys())"
    )
    path = {"PYTHONPATH": str(PRETRAINED.parents[1]), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
