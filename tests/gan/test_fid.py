import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gan.evaluation.fid import fid, fid_unavailable

Array = NDArray[np.float64]
NAME = "weights-inception-2015-12-05-6726825d.pth"
CPU = torch.device("cpu")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch looks for the weights now: an empty folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub/checkpoints"
    folder.mkdir(parents=True)
    return folder / NAME


def pictures(count: int = 4, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return nn.functional.interpolate(torch.rand(count, 3, 3, 3, generator=random), (32, 32))


def test_without_weights_one_line_says_where_to_put_them(weights: Path) -> None:
    reason = fid_unavailable()
    assert reason is not None
    assert "\n" not in reason
    assert str(weights) in reason
    assert "torch-fidelity" in reason
    assert fid(pictures(), pictures(seed=1), CPU) is None
    assert not weights.exists(), "nothing was downloaded"


@pytest.mark.parametrize("package", ["torchmetrics", "torch_fidelity"])
def test_without_a_package_one_line_names_it(
    weights: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({}, weights)
    monkeypatch.setitem(sys.modules, package, None)
    reason = fid_unavailable()
    assert reason is not None
    assert "\n" not in reason
    assert f"{package} is not installed" in reason
    assert "pip install torchmetrics torch-fidelity" in reason
    assert fid(pictures(), pictures(seed=1), CPU) is None


class Code:
    """Unpickling this makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def as_file(content: object, file: Path) -> bytes:
    torch.save(content, file)
    return file.read_bytes()


@pytest.mark.parametrize("content", ["code", "torn", "empty", "text", "torchvision's"])
def test_what_is_not_the_weights_is_a_reason_and_is_not_run(
    weights: Path, tmp_path: Path, content: str
) -> None:
    right, other = torch.zeros(1008, 2048), torch.zeros(1000, 2048)
    contents = {
        "code": as_file({"fc.weight": right, "x": Code(tmp_path / "ran")}, weights),
        "torn": as_file({"fc.weight": right}, weights)[:-200],
        "empty": b"",
        "text": b"<html>",
        "torchvision's": as_file({"fc.weight": other}, weights),
    }
    weights.write_bytes(contents[content])
    reason = fid_unavailable()
    assert reason is not None
    assert "\n" not in reason
    assert f"{weights} does not hold the Inception weights" in reason
    assert fid(pictures(), pictures(seed=1), CPU) is None
    assert not (tmp_path / "ran").exists()


def random_inception(file: Path) -> nn.Module:
    """torch-fidelity's network with random weights, which are saved to the file too."""
    from torch_fidelity.feature_extractor_inceptionv3 import (  # type: ignore[import-untyped]
        FeatureExtractorInceptionV3,
    )

    class Blank(FeatureExtractorInceptionV3):  # type: ignore[misc]
        def load_state_dict(self, *args: object) -> None:
            """Keep the initial weights."""

    torch.save({}, file)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network: nn.Module = Blank("inception-v3-compat", ["2048"], str(file))
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                # Torch's own are too small: 2,048 features would all be about 0.
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    torch.save(network.state_dict(), file)
    return network


def frechet(x: Array, y: Array) -> float:
    """Between the normal distributions of two sets of features: (n, d), (m, d)."""
    a = (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)
    b = (y - y.mean(axis=0)) / np.sqrt(len(y) - 1)
    # The covariances are A'A and B'B; the eigenvalues of their product are the squares of the
    # singular values of AB', a small matrix.
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    between = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    return float(between + np.square(a).sum() + np.square(b).sum() - 2 * root)


@pytest.mark.slow
def test_fid_is_the_frechet_distance_of_the_networks_features(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = random_inception(weights)
    monkeypatch.setattr("gan.evaluation.fid._IMAGES_AT_A_TIME", 4)
    rgb, real = pictures(6), pictures(6, seed=1) * torch.tensor([1, 0.7, 0.4]).view(3, 1, 1)

    def features(images: Tensor) -> Array:
        bytes_ = torch.from_numpy(np.rint(images.numpy() * 255).astype(np.uint8))
        array: Array = network(bytes_)[0].double().numpy()
        return array

    x, y = features(rgb), features(real)
    wanted, between = frechet(x, y), np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    assert fid_unavailable() is None
    assert fid(rgb, real, CPU) == pytest.approx(wanted, rel=1e-3)
    assert wanted > 1.5 * between > 0, "both terms count"
    assert fid(rgb[:1], real[:1], CPU) is None, "one image has no covariance"
