"""What natural pictures with some targets look like, and how far colorized images are from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gan.color import l_ab_to_rgb, rgb_to_l_ab
from gan.control import ControlName
from gan.controls import STATISTICS, of_each
from gan.exact import exact
from gan.features import features
from gan.held_out import HeldOut, at_a_time
from gan.lattice import lattice, lattice_amplitude
from gan.measures import cie_lab
from gan.metrics import ciede2000, hue_resultant, psnr
from gan.naturalness import FEWEST, hue_spread, interval, js_divergence, kid, kid_interval, nearby

KID_IMAGES = 500
"""Images that KID looks at, at most: 13 ms each on one thread."""


def shown(l: Tensor, ab: Tensor) -> Tensor:  # noqa: E741
    """Compose images as they are shown: (n, 3, H, W), sRGB in [0, 1]."""
    with torch.inference_mode():
        size = at_a_time(l)
        parts = zip(torch.split(l, size), torch.split(ab, size), strict=True)
        return torch.cat([l_ab_to_rgb(*part) for part in parts])


def moved(l: Tensor, ab: Tensor, targets: Mapping[ControlName, float]) -> Tensor:  # noqa: E741
    """Move images' colours to targets by exact control: (n, 2, H, W) -> (n, 2, H, W)."""
    if not targets:
        return ab
    with torch.inference_mode():
        size = at_a_time(l)
        parts = zip(torch.split(l, size), torch.split(ab, size), strict=True)
        return torch.cat([exact(part_l, a, of_each(targets, part_l)) for part_l, a in parts])


@dataclass(frozen=True, eq=False)
class Natural:
    """Photographs among which are some that have a target's value by themselves."""

    rgb: Tensor
    """(m, 3, H, W) in [0, 1]."""
    _values: dict[ControlName, Tensor] = field(default_factory=dict, init=False, repr=False)

    def near(self, targets: Mapping[ControlName, float]) -> Tensor:
        """Choose those near all targets: (k, 3, H, W), none where there are too few."""
        chosen = torch.arange(len(self.rgb))
        for name, target in targets.items():
            chosen = chosen[torch.isin(chosen, nearby(self._of(name), target, STATISTICS[name]))]
        enough = bool(targets) and len(chosen) >= FEWEST
        return self.rgb[chosen.to(self.rgb.device)] if enough else self.rgb[:0]

    def _of(self, name: ControlName) -> Tensor:
        """Measure a statistic of each, once: (m,), on the CPU."""
        if name not in self._values:
            parts = torch.split(self.rgb, at_a_time(self.rgb))
            values = torch.cat([STATISTICS[name].measure(part) for part in parts])
            self._values[name] = values.cpu()
        return self._values[name]


@dataclass(frozen=True, eq=False)
class Reference:
    """What natural pictures with some targets look like."""

    rgb: Tensor
    """(n, 3, H, W): the fitted originals, whose own colours were moved to the targets."""
    features: Tensor | None
    """Of the first ``KID_IMAGES``; None where they cannot be computed."""
    near: Tensor
    """(m, 3, H, W): photographs that have the targets' values by themselves; few or none."""
    near_features: Tensor | None

    @classmethod
    def of(
        cls, images: HeldOut, targets: Mapping[ControlName, float], natural: Natural
    ) -> "Reference":
        """Fit the held-out images to targets, and choose natural pictures near them."""
        rgb = shown(images.l, moved(images.l, images.ab, targets)) if targets else images.rgb
        near_rgb = natural.near(targets)
        return cls(
            rgb,
            features(rgb[:KID_IMAGES], rgb.device),
            near_rgb,
            features(near_rgb[: min(KID_IMAGES, len(rgb))], rgb.device)
            if len(near_rgb) > 1
            else None,
        )


def naturalness(rgb: Tensor, images: HeldOut, reference: Reference) -> dict[str, float]:
    """Measure how natural colorized images are, beside the fitted originals.

    Args:
        rgb: (n, 3, H, W) in [0, 1], the held-out images as colorized.
        images: the held-out images.
        reference: of the same targets.

    Returns:
        Differences from each image's fitted original: ``fitted_mae``, ``fitted_psnr`` (dB),
        ``fitted_ciede2000``, with the ends of its 95 % interval over photographs (``_low``,
        ``_high``).

        Of the whole set: ``kid`` x 1000 to the fitted originals, with ``kid_low`` and
        ``kid_high``, and ``kid_natural`` to photographs that have the targets' values by
        themselves (both only where ``features`` can be computed); ``js_divergence`` of joint ab
        histograms; ``hue_spread``; ``lattice`` and ``lattice_amplitude``; and beside them
        ``fitted_hue_resultant`` and ``natural_hue_resultant``.
    """
    differences: dict[str, list[Tensor]] = {"mae": [], "psnr": [], "ciede2000": []}
    size = at_a_time(rgb)
    for made, fitted in zip(torch.split(rgb, size), torch.split(reference.rgb, size), strict=True):
        labs = [cie_lab(*rgb_to_l_ab(x)) for x in (made, fitted)]
        differences["mae"].append((made - fitted).abs().mean(dim=(1, 2, 3)))
        differences["psnr"].append(psnr(made, fitted))
        differences["ciede2000"].append(ciede2000(*labs))
    of_images = {name: torch.cat(values).cpu() for name, values in differences.items()}
    result = {f"fitted_{name}": values.mean().item() for name, values in of_images.items()}
    if images.photographs > 1:
        ends = interval(of_images["ciede2000"], images.photograph)
        result |= dict(zip(("fitted_ciede2000_low", "fitted_ciede2000_high"), ends, strict=True))
    return result | _of_set(rgb, reference) | _kids(rgb, images, reference)


def _of_set(rgb: Tensor, reference: Reference) -> dict[str, float]:
    size = at_a_time(rgb)
    colours = [
        torch.cat([rgb_to_l_ab(part)[1] for part in torch.split(x, size)])
        for x in (rgb, reference.rgb)
    ]
    result = {
        "js_divergence": js_divergence(*colours),
        "hue_spread": hue_spread(rgb),
        "lattice": lattice(rgb, reference.rgb),
        "lattice_amplitude": lattice_amplitude(rgb, reference.rgb),
        "fitted_hue_resultant": hue_resultant(reference.rgb).mean().item(),
        "fitted_hue_spread": hue_spread(reference.rgb),
    }
    if len(reference.near):
        result["natural_hue_resultant"] = hue_resultant(reference.near).mean().item()
    return result


def _kids(rgb: Tensor, images: HeldOut, reference: Reference) -> dict[str, float]:
    """KID and its interval, where features can be computed."""
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
