"""Frechet Inception Distance by torchmetrics, if it and its weights are installed.

Nothing is downloaded; the rest of the engine needs neither torchmetrics nor torch-fidelity.
"""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

_WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
_SOURCE = "github.com/toshas/torch-fidelity/releases, v0.2.0"
_IMAGES_AT_A_TIME = 50


def _weights() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / _WEIGHTS


def fid_unavailable() -> str | None:
    """Return why ``fid`` cannot be computed here, and the remedy; None if it can."""
    for package in ("torchmetrics", "torch_fidelity"):
        if find_spec(package) is None:
            return f"{package} is not installed (pip install torchmetrics torch-fidelity)"
    path = _weights()
    if not path.is_file():
        return f"no Inception weights; put {_WEIGHTS} ({_SOURCE}) at {path}"
    try:
        # torch-fidelity unpickles any file: first make sure that it holds only tensors.
        state = torch.load(path, map_location="cpu", weights_only=True)
        right = state["fc.weight"].shape == (1008, 2048)  # torchvision's Inception: 1,000 rows
    except Exception:  # arbitrary bytes can raise anything
        right = False
    return None if right else f"{path} does not hold the Inception weights of {_SOURCE}; replace it"


def fid(rgb: Tensor, real: Tensor, device: torch.device) -> float | None:
    """Return the Frechet Inception Distance of colorized images to their originals.

    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule" (2017), on the 2,048 features
    of their Inception network, with their way of resizing. Lower is closer. The distance falls
    with the number of images: compare only values of equally many. With 2,048 features, it costs
    100 MB and, for every image, as much as a classification at 299 pixels.

    Args:
        rgb: (n, 3, H, W) in [0, 1], rounded to 8 bits here.
        real: the originals, in the same format.
        device: where to compute.

    Returns:
        Distance, 0 or more except for rounding; None if ``fid_unavailable`` gives a reason, and
        for fewer than two images, which have no covariance.
    """
    if len(rgb) < 2 or fid_unavailable():
        return None
    # Optional, and takes 16 s to import from a cold disk.
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(
        feature_extractor_weights_path=str(_weights()), antialias=False
    ).to(device)
    with torch.autocast(device.type, enabled=False):
        for images, is_real in ((rgb, False), (real, True)):
            for part in torch.split(images, _IMAGES_AT_A_TIME):
                metric.update((part.to(device) * 255).round().byte(), real=is_real)
        return float(metric.compute())
