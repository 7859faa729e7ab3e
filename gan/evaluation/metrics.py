"""How near colorized images are to the originals, and how much they agree with themselves.

Pure functions, one number for each image; in the precision of their input, also under autocast.
"""

import math

import torch
from kornia.metrics import ssim as ssim_map
from torch import Tensor

PSNR_MOST = 100.0


def psnr(rgb: Tensor, real: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image, 10 log10(1 / mean squared error), in dB.

    By image, to be averaged over the images, as papers on colorization report it (the ratio of
    the mean error of a whole set is lower). At most 100: a black image is black in any colours,
    and one infinity would be the mean of them all; the rounding to 8 bits is at 59 dB.

    Args:
        rgb: (N, 3, H, W) in [0, 1].
        real: likewise.

    Returns:
        (N,) in [0, 100].
    """
    error = (rgb - real).square().mean(dim=(1, 2, 3))
    return -10 * error.clamp(min=10 ** (-PSNR_MOST / 10)).log10()


def ssim(rgb: Tensor, real: Tensor) -> Tensor:
    """Structural similarity of each image: mean over its pixels and channels of the index.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment" (2004): an 11x11 Gaussian window
    with sigma 1.5, K1 = 0.01, K2 = 0.03, and only where the window is whole.

    Args:
        rgb: (N, 3, H, W) in [0, 1]; H and W at least 11.
        real: likewise.

    Returns:
        (N,) in [-1, 1]; 1 for equal images.
    """
    # Contiguous: kornia's fast way on a CPU, and on CUDA PyTorch's own depthwise convolution.
    # Channels-last goes to cuDNN, whose TF32 rounds squares by 1e-3, as much as K2 is worth.
    with torch.autocast(rgb.device.type, enabled=False):
        index = ssim_map(rgb.contiguous(), real.contiguous(), window_size=11, padding="valid")
    return index.mean(dim=(1, 2, 3))


def ciede2000(lab: Tensor, real: Tensor) -> Tensor:
    """Colour difference Delta E 00, mean over the pixels of each image; 1 is about just seen.

    CIE 142-2001 with kL = kC = kH = 1; notation and hue conventions of Sharma, Wu, Dalal, "The
    CIEDE2000 color-difference formula" (2005).

    Args:
        lab: (N, 3, H, W), CIE L*, a*, b*: L* in [0, 100].
        real: likewise.

    Returns:
        (N,), 0 or more.
    """
    l1, a1, b1 = lab.unbind(dim=1)
    l2, a2, b2 = real.unbind(dim=1)
    # Step 1: a' is a*, stretched near grey; hue and chroma are of (a', b*).
    mean_c = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * _chroma_share(mean_c)
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    # From 0: for opposite hues it depends on this which mean is meant.
    h1, h2 = (torch.atan2(b, a) % (2 * math.pi) for a, b in ((a1, b1), (a2, b2)))
    # Step 2: the differences; that of hue the shorter way round.
    dh = h2 - h1
    far = dh.abs() > math.pi
    dh_short = torch.where(far, dh - dh.sign() * (2 * math.pi), dh)
    delta_h = 2 * (c1 * c2).sqrt() * (dh_short / 2).sin()
    # Step 3: the means; that of hue on the shorter arc. Where a chroma is 0 it has no effect.
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
    # Rounding can take the square of no difference below 0.
    return square.clamp(min=0).sqrt().mean(dim=(1, 2))


def _chroma_share(chroma: Tensor) -> Tensor:
    seventh = chroma**7
    return (seventh / (seventh + 25.0**7)).sqrt()


def accuracy(lab: Tensor, real: Tensor, percent: float) -> Tensor:
    """Share of each image's pixels of the right colour: within percent of each channel's range.

    Nazeri, Ng, Ebrahimi, "Image Colorization with Generative Adversarial Networks" (2018), who
    report 2 and 5: |dL| <= percent, |da| <= 2.2 percent and |db| <= 2.2 percent.

    Args:
        lab: (N, 3, H, W), CIE L*, a*, b*: L* in [0, 100].
        real: likewise.
        percent: of L*'s range of 100 and of a*'s and b*'s 220.

    Returns:
        (N,) in [0, 1].
    """
    dl, da, db = (lab - real).abs().unbind(dim=1)
    right = (dl <= percent) & (da <= 2.2 * percent) & (db <= 2.2 * percent)
    return right.float().mean(dim=(1, 2))
