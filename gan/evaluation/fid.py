"""Frechet Inception Distance, through torchmetrics, where it and its weights are at hand.

Nothing here downloads; the rest of the engine does without torchmetrics and torch-fidelity.
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
    """Say why ``fid`` cannot be computed here, and what to do; None if it can."""
    for package in ("torchmetrics", "torch_fidelity"):
        if find_spec(package) is None:
            return f"{package} is not installed (pip install torchmetrics torch-fidelity)"
    path = _weights()
    if not path.is_file():
        return f"no Inception weights; put {_WEIGHTS} ({_SOURCE}) at {path}"
    try:
        # torch-fidelity unpickles whatever is there: first see that it is nothing but tensors.
        state = torch.load(path, map_location="cpu", weights_only=True)
        right = state["fc.weight"].shape == (1008, 2048)  # torchvision's Inception has 1,000
    except Exception:  # bytes of any kind fail in any way
        right = False
    return None if right else f"{path} is not Inception's weights of {_SOURCE}; replace it"


def fid(rgb: Tensor, real: Tensor, device: torch.device) -> float | None:
    """Frechet Inception Distance between colorized images and their originals; lower is nearer.

    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule" (2017), on the 2,048 features
    of their Inception network, with their way of resizing. It falls with the number of images:
    compare only values of equally many. The features and their products are of size 2,048, so
    that it costs 100 MB and, for every image, as much as a 299-pixel classification.

    Args:
        rgb: (n, 3, H, W) in [0, 1], rounded to 8 bits here.
        real: likewise.
        device: where to compute.

    Returns:
        The distance, 0 or more but for rounding; None where ``fid_unavailable`` says why, and
        for fewer than two images, which have no covariance.
    """
    if len(rgb) < 2 or fid_unavailable():
        return None
    # 16 s to import on a cold disk, and not everybody has it.
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(
        feature_extractor_weights_path=str(_weights()), antialias=False
    ).to(device)
    with torch.autocast(device.type, enabled=False):
        for images, is_real in ((rgb, False), (real, True)):
            for part in torch.split(images, _IMAGES_AT_A_TIME):
                metric.update((part.to(device) * 255).round().byte(), real=is_real)
        return float(metric.compute())
