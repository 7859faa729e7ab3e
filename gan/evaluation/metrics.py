"""Metrics for the closeness of colorized images to their originals.

Pure functions with one number per image, in the precision of their input, even under autocast.
"""

import math

import torch
from kornia.metrics import ssim as ssim_map
from torch import Tensor

PSNR_MOST = 100.0


def psnr(rgb: Tensor, real: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of each image, 10 log10(1 / mean squared error), in dB.

    Meant to be averaged over images, as papers on colorization report it (the ratio of the mean
    error of a whole set is lower). Capped at 100: a black image is black in any colours, and a
    single infinity would make the mean infinite. Rounding to 8 bits alone gives 59 dB.

    Args:
        rgb: (N, 3, H, W) in [0, 1].
        real: (N, 3, H, W) in [0, 1], the originals.

    Returns:
        (N,) in [0, 100].
    """
    error = (rgb - real).square().mean(dim=(1, 2, 3))
    return -10 * error.clamp(min=10 ** (-PSNR_MOST / 10)).log10()


def ssim(rgb: Tensor, real: Tensor) -> Tensor:
    """Return the structural similarity of each image, averaged over pixels and channels.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment" (2004): an 11x11 Gaussian window
    with sigma 1.5, K1 = 0.01, K2 = 0.03, only at positions where the whole window fits.

    Args:
        rgb: (N, 3, H, W) in [0, 1]; H and W at least 11.
        real: (N, 3, H, W) in [0, 1], the originals.

    Returns:
        (N,) in [-1, 1]; 1 for equal images.
    """
    # Contiguous: kornia's fast path on a CPU, and PyTorch's own depthwise convolution on CUDA.
    # Channels-last uses cuDNN, whose TF32 rounds squares by 1e-3, as large as K2's contribution.
    with torch.autocast(rgb.device.type, enabled=False):
        index = ssim_map(rgb.contiguous(), real.contiguous(), window_size=11, padding="valid")
    return index.mean(dim=(1, 2, 3))


def ciede2000(lab: Tensor, real: Tensor) -> Tensor:
    """Return the mean colour difference Delta E 00 of each image; around 1 is just noticeable.

    CIE 142-2001 with kL = kC = kH = 1; notation and hue conventions of Sharma, Wu, Dalal, "The
    CIEDE2000 color-difference formula" (2005).

    Args:
        lab: (N, 3, H, W), CIE L*, a*, b*: L* in [0, 100].
        real: (N, 3, H, W), the originals in the same space.

    Returns:
        (N,), mean over the pixels, 0 or more.
    """
    l1, a1, b1 = lab.unbind(dim=1)
    l2, a2, b2 = real.unbind(dim=1)
    # Step 1: a' is a*, stretched near grey; hue and chroma are those of (a', b*).
    mean_c = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * _chroma_share(mean_c)
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    # Hues start at 0: this convention decides the mean of opposite hues.
    h1, h2 = (torch.atan2(b, a) % (2 * math.pi) for a, b in ((a1, b1), (a2, b2)))
    # Step 2: differences; for hue, the shorter way round the circle.
    dh = h2 - h1
    far = dh.abs() > math.pi
    dh_short = torch.where(far, dh - dh.sign() * (2 * math.pi), dh)
    delta_h = 2 * (c1 * c2).sqrt() * (dh_short / 2).sin()
    # Step 3: means; for hue, on the shorter arc. If a chroma is 0, the mean hue has no effect.
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    mean_h = (h1 + h2) / 2
    mean_h = torch.where(far, mean_h + math.pi, mean_h)
    t = (
        1
        - 0.17 * (mean_h - math.radians(30)).cos()
        + 0.24 * (2 * mean_h).cos()
        + 0.32 * (3 * mean_h + math.radians(6)).cos()
        - 0.20 * (4 * mean_h - math.radians(63)).cos()
    )
    s_l = 1 + 0.015 * (mean_l - 50).square() / (20 + (mean_l - 50).square()).sqrt()
    s_c = 1 + 0.045 * mean_c
    s_h = 1 + 0.015 * mean_c * t
    from_blue = (torch.rad2deg(mean_h) % 360 - 275) / 25
    r_t = -2 * _chroma_share(mean_c) * (math.radians(60) * (-from_blue.square()).exp()).sin()
    l_term, c_term, h_term = (l2 - l1) / s_l, (c2 - c1) / s_c, delta_h / s_h
    square = l_term.square() + c_term.square() + h_term.square() + r_t * c_term * h_term
    # For equal colours, rounding can make the square negative.
    return square.clamp(min=0).sqrt().mean(dim=(1, 2))


def _chroma_share(chroma: Tensor) -> Tensor:
    seventh = chroma**7
    return (seventh / (seventh + 25.0**7)).sqrt()


def accuracy(lab: Tensor, real: Tensor, percent: float) -> Tensor:
    """Return the share of each image's pixels with every channel within percent of its range.

    Nazeri, Ng, Ebrahimi, "Image Colorization with Generative Adversarial Networks" (2018), with
    percent 2 and 5: |dL| <= percent, |da| <= 2.2 percent and |db| <= 2.2 percent.

    Args:
        lab: (N, 3, H, W), CIE L*, a*, b*: L* in [0, 100].
        real: (N, 3, H, W), the originals in the same space.
        percent: tolerance in percent of the range of L* (100) and of a* and b* (220).

    Returns:
        (N,) in [0, 1].
    """
    dl, da, db = (lab - real).abs().unbind(dim=1)
    right = (dl <= percent) & (da <= 2.2 * percent) & (db <= 2.2 * percent)
    return right.float().mean(dim=(1, 2))
