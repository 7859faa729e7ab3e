"""Natural pictures with given targets, and the distances of colorized images from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gan.colour.conversion import l_ab_to_rgb, rgb_to_l_ab
from gan.colour.exact_control import exact
from gan.colour.statistic import of_each
from gan.colour.statistics import STATISTICS
from gan.colour.statistics.hue import hue_resultant
from gan.control import ControlName
from gan.evaluation.features import features
from gan.evaluation.held_out import HeldOut, in_parts
from gan.evaluation.lattice import lattice, lattice_amplitude
from gan.evaluation.measures import cie_lab
from gan.evaluation.metrics import ciede2000, psnr
from gan.evaluation.naturalness import (
    FEWEST,
    hue_spread,
    interval,
    js_divergence,
    kid,
    kid_interval,
    nearby,
)

KID_IMAGES = 500
"""Maximum number of images for KID; each takes 8 ms on one thread."""


def shown(l: Tensor, ab: Tensor) -> Tensor:  # noqa: E741
    """Return images as they are shown: (n, 3, H, W), sRGB in [0, 1]."""
    with torch.inference_mode():
        return in_parts(l_ab_to_rgb, l, ab)


def moved(l: Tensor, ab: Tensor, targets: Mapping[ControlName, float]) -> Tensor:  # noqa: E741
    """Move the colours of images to targets by exact control: (n, 2, H, W) -> (n, 2, H, W)."""
    if not targets:
        return ab
    with torch.inference_mode():
        return in_parts(lambda l, ab: exact(l, ab, of_each(targets, l)), l, ab)  # noqa: E741


class Natural:
    """Photographs, some of which have a target's value by themselves.

    Cropped when first needed, and kept in 8 bits in CPU memory.
    """

    def __init__(self, cut: Callable[[], Tensor]) -> None:
        """Take the function that crops the photographs: (m, 3, H, W) in [0, 1]."""
        self._cut = cut
        self._values: dict[ControlName, Tensor] = {}

    def near(self, targets: Mapping[ControlName, float]) -> Tensor:
        """Select photographs near all targets, at most ``KID_IMAGES``; none if there are too few.

        Returns:
            (k, 3, H, W) in [0, 1], on the CPU.
        """
        if not targets:
            return torch.empty(0)
        chosen = torch.arange(len(self._pixels))
        for name, target in targets.items():
            chosen = chosen[torch.isin(chosen, nearby(self._of(name), target, STATISTICS[name]))]
        enough = len(chosen) >= FEWEST
        return self._pixels[chosen[: KID_IMAGES if enough else 0]] / 255

    @cached_property
    def _pixels(self) -> Tensor:
        return (self._cut() * 255).round().byte().cpu()

    def _of(self, name: ControlName) -> Tensor:
        """Measure a statistic of all photographs, only once: (m,)."""
        if name not in self._values:
            measure = STATISTICS[name].measure
            self._values[name] = in_parts(lambda part: measure(part / 255), self._pixels)
        return self._values[name]


@dataclass(frozen=True, eq=False)
class Reference:
    """Natural pictures with given targets, for comparison with colorized images."""

    rgb: Tensor
    """(n, 3, H, W): the fitted originals, photographs moved to the targets."""
    features: Tensor | None
    """Features of the first ``KID_IMAGES`` of ``rgb``; None if they cannot be computed."""
    near_features: Tensor | None
    """Features of photographs with the targets' values by themselves; None if there are too few."""
    metrics: dict[str, float]
    """``fitted_hue_resultant`` and ``fitted_hue_spread`` of the fitted originals, and
    ``natural_hue_resultant`` of photographs with the targets' values, if there are enough."""

    @classmethod
    def of(
        cls, images: HeldOut, targets: Mapping[ControlName, float], natural: Natural
    ) -> "Reference":
        """Fit the held-out images to targets, and select natural pictures near these targets."""
        rgb = shown(images.l, moved(images.l, images.ab, targets)) if targets else images.rgb
        metrics = {
            "fitted_hue_resultant": in_parts(hue_resultant, rgb).mean().item(),
            "fitted_hue_spread": hue_spread(rgb),
        }
        near, near_features = natural.near(targets).to(rgb.device), None
        if len(near):
            metrics["natural_hue_resultant"] = in_parts(hue_resultant, near).mean().item()
            near_features = features(near[: len(rgb)], rgb.device)
        return cls(rgb, features(rgb[:KID_IMAGES], rgb.device), near_features, metrics)


def naturalness(rgb: Tensor, images: HeldOut, reference: Reference) -> dict[str, float]:
    """Measure how natural colorized images are, compared with the fitted originals.

    Args:
        rgb: (n, 3, H, W) in [0, 1], the colorized held-out images.
        images: the held-out images.
        reference: reference for the same targets.

    Returns:
        Differences from each image's fitted original: ``fitted_mae``, ``fitted_psnr`` (dB), and
        ``fitted_ciede2000`` with the ends of its 95 % interval over photographs (``_low``,
        ``_high``).

        For the whole set: ``kid`` x 1000 to the fitted originals, with ``kid_low`` and
        ``kid_high``, and ``kid_natural`` to photographs that have the targets' values by
        themselves (both only if ``features`` can be computed); ``js_divergence`` of joint ab
        histograms; ``hue_spread``; ``lattice`` and ``lattice_amplitude``.
    """

    def lab(part: Tensor) -> Tensor:
        return cie_lab(*rgb_to_l_ab(part))

    differences: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "mae": lambda made, fitted: (made - fitted).abs().mean(dim=(1, 2, 3)),
        "psnr": psnr,
        "ciede2000": lambda made, fitted: ciede2000(lab(made), lab(fitted)),
    }
    of_images = {
        name: in_parts(difference, rgb, reference.rgb).cpu()
        for name, difference in differences.items()
    }
    result = {f"fitted_{name}": values.mean().item() for name, values in of_images.items()}
    if images.photographs > 1:
        ends = interval(of_images["ciede2000"], images.photograph)
        result |= dict(zip(("fitted_ciede2000_low", "fitted_ciede2000_high"), ends, strict=True))
    return result | _of_set(rgb, reference) | _kids(rgb, images, reference)


def _of_set(rgb: Tensor, reference: Reference) -> dict[str, float]:
    colours = [in_parts(lambda part: rgb_to_l_ab(part)[1], x) for x in (rgb, reference.rgb)]
    return {
        "js_divergence": js_divergence(*colours),
        "hue_spread": hue_spread(rgb),
        "lattice": lattice(rgb, reference.rgb),
        "lattice_amplitude": lattice_amplitude(rgb, reference.rgb),
    }


def _kids(rgb: Tensor, images: HeldOut, reference: Reference) -> dict[str, float]:
    """Return the KIDs and their interval; nothing if features cannot be computed."""
    if (real := reference.features) is None or min(len(rgb), len(real)) < 2:
        return {}
    made = features(rgb[:KID_IMAGES], rgb.device)
    assert made is not None, "as of the reference"
    result = {"kid": kid(made, real)}
    photograph = images.photograph[:KID_IMAGES]
    if images.photographs > 1:
        low, high = kid_interval(made, real, photograph.to(made.device))
        result |= {"kid_low": low, "kid_high": high}
    if reference.near_features is not None:
        result["kid_natural"] = kid(made, reference.near_features)
    return result
