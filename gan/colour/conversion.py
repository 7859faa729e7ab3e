"""Conversion between sRGB in [0, 1] and Lab scaled to [-1, 1], and mapping into the sRGB gamut.

Arithmetic stays float32 under autocast: d(hue)/d(rgb) grows as 1/chroma, so near grey half
precision is noise. Results match kornia's (D65, 2 degree observer, like scikit-image's), but are
computed here: its import takes a tenth of the start of ``colorize``, it copies matrices and white
point to the device at every call, which a CUDA graph cannot record, multiplies them by a
convolution, for which PyTorch uses TF32, and clamps dark yellows on the way back.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor

L_SCALE = 50.0
AB_SCALE = 110.0
"""Scale of a and b that covers sRGB, where a is in [-86, 98] and b in [-108, 94]."""

LUMINANCE = (0.212671, 0.715160, 0.072169)
"""Weights of linear R, G and B in luminance Y, as in kornia's rgb_to_xyz."""
_Matrix = tuple[tuple[float, float, float], ...]
_TO_XYZ: _Matrix = ((0.412453, 0.357580, 0.180423), LUMINANCE, (0.019334, 0.119193, 0.950227))
_FROM_XYZ: _Matrix = (
    (3.2404813432005266, -1.5371515162713185, -0.4985363261688878),
    (-0.9692549499965682, 1.8759900014898907, 0.0415559265582928),
    (0.0556466391351772, -0.2040413383665112, 1.0573110696453443),
)
_WHITE_X, _WHITE_Z = 0.95047, 1.08883
_DELTA = 6 / 29


def rgb_to_linear_rgb(rgb: Tensor) -> Tensor:
    """Decode sRGB, of any shape, to linear light, with kornia's bits and gradients."""
    return torch.where(rgb > 0.04045, ((rgb + 0.055).clamp(min=0.0) / 1.055) ** 2.4, rgb / 12.92)


def linear_rgb_to_rgb(linear: Tensor) -> Tensor:
    """Encode linear light, of any shape, as sRGB, with kornia's bits and gradients."""
    encoded = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, encoded, 12.92 * linear)


def rgb_to_l_ab(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Split images into lightness, the generator's input, and colour, its output.

    Args:
        rgb: (N, 3, H, W), sRGB in [0, 1].

    Returns:
        L (N, 1, H, W) as L*/50 - 1 in [-1, 1], and ab (N, 2, H, W) as (a*, b*)/110 in [-1, 1].
    """
    with torch.autocast(rgb.device.type, enabled=False):
        x, y, z = _mixed(_TO_XYZ, rgb_to_linear_rgb(_full(rgb))).unbind(dim=1)
        t = torch.stack([x / _WHITE_X, y, z / _WHITE_Z], dim=1)
        root = t.clamp(min=_DELTA**3) ** (1 / 3)
        fx, fy, fz = torch.where(t > _DELTA**3, root, t / (3 * _DELTA**2) + 4 / 29).unbind(dim=1)
        l = (116 * fy - 16) / L_SCALE - 1  # noqa: E741
        ab = torch.stack([500 * (fx - fy), 200 * (fy - fz)], dim=1) / AB_SCALE
    return l[:, None], ab


def l_ab_to_rgb(l: Tensor, ab: Tensor) -> Tensor:  # noqa: E741 - the field's name for it
    """Compose images from lightness and colour; any ab gives a displayable image with that L.

    A colour outside sRGB moves towards the grey of the same luminance until it is inside
    (``into_gamut``). This preserves L, which clipping would change.

    Args:
        l: (N, 1, H, W), scaled lightness in [-1, 1].
        ab: (N, 2, H, W), scaled colour in [-1, 1].

    Returns:
        (N, 3, H, W), sRGB in [0, 1].
    """
    with torch.autocast(l.device.type, enabled=False):
        lab = torch.cat([(_full(l) + 1) * L_SCALE, _full(ab) * AB_SCALE], dim=1)
        return into_gamut(_lab_to_rgb(lab))


def linear(rgb: Tensor) -> Tensor:
    """Decode sRGB in [0, 1], of any shape, to linear light."""
    # No ``where``, here and below: on a CPU it takes 6 ns a value, as long as the power.
    return ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4 + (
        rgb.clamp(max=0.04045) - 0.04045
    ) / 12.92


def lightness(luminance: Tensor) -> Tensor:
    """Convert luminance Y in [0, 1], of any shape, to L*/50 - 1 in [-1, 1]."""
    return (116 * _root(luminance) - 16) / L_SCALE - 1


def luminance(l: Tensor) -> Tensor:  # noqa: E741
    """Convert L*/50 - 1 in [-1, 1], of any shape, to luminance Y in [0, 1]."""
    return _cube((L_SCALE * (l + 1) + 16) / 116).clamp(0, 1)


def tinted(luminance: Tensor, ab: Tensor) -> Tensor:
    """Compose images like ``l_ab_to_rgb``, but from luminance and without a gradient.

    This takes a fifth of the time, as colours stay in linear light between Lab and the gamut.

    Args:
        luminance: (N, 1, H, W), Y in [0, 1].
        ab: (N, 2, H, W), scaled colour in [-1, 1].

    Returns:
        (N, 3, H, W), sRGB in [0, 1], with that luminance.
    """
    f, (a, b) = _root(luminance), (AB_SCALE * ab).chunk(2, dim=1)
    x, z = (_cube(f + a / 500) * _WHITE_X, _cube(f - b / 200) * _WHITE_Z)
    offset = _mixed(_FROM_XYZ, torch.cat([x, luminance, z], dim=1)) - luminance
    red, green, blue = offset.chunk(3, dim=1)
    high = torch.maximum(torch.maximum(red, green), blue)
    low = torch.minimum(torch.minimum(red, green), blue)
    # The reciprocal of t in ``into_gamut``.
    beyond = torch.maximum(high / (1 - luminance).clamp(min=1e-9), -low / luminance.clamp(min=1e-9))
    inside = luminance + offset / beyond.clamp(min=1)
    encoded = 1.055 * inside.clamp(0.0031308, 1) ** (1 / 2.4) - 0.055
    return (encoded + 12.92 * (inside.clamp(0, 0.0031308) - 0.0031308)).clamp(0, 1)


def _root(y: Tensor) -> Tensor:
    """Apply CIE's f: the cube root, and its tangent near 0."""
    return y.clamp(min=_DELTA**3) ** (1 / 3) + (y.clamp(max=_DELTA**3) - _DELTA**3) / (
        3 * _DELTA**2
    )


def _cube(f: Tensor) -> Tensor:
    return f.clamp(min=_DELTA) ** 3 + 3 * _DELTA**2 * (f.clamp(max=_DELTA) - _DELTA)


def _mixed(matrix: _Matrix, x: Tensor) -> Tensor:
    return torch.einsum("oi, nihw -> nohw", _on(matrix, x.device, x.dtype), x)


@cache
def _on(matrix: _Matrix, device: torch.device, dtype: torch.dtype) -> Tensor:
    # An inference tensor in the cache could not take part in a later backward pass.
    with torch.inference_mode(False):
        return torch.tensor(matrix, device=device, dtype=dtype)


def _full(x: Tensor) -> Tensor:
    """Convert to float32, or keep a wider type."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _lab_to_rgb(lab: Tensor) -> Tensor:
    l, a, b = lab.unbind(dim=1)  # noqa: E741
    fy = (l + 16) / 116
    f = torch.stack([fy + a / 500, fy, fy - b / 200], dim=1)
    x, y, z = torch.where(f > _DELTA, f**3, 3 * _DELTA**2 * (f - 4 / 29)).unbind(dim=1)
    xyz = torch.stack([x * _WHITE_X, y, z * _WHITE_Z], dim=1)
    return linear_rgb_to_rgb(_mixed(_FROM_XYZ, xyz))


def into_gamut(rgb: Tensor) -> Tensor:
    """Desaturate pixels outside the gamut at constant luminance; leave the others unchanged.

    In linear light, a pixel c of luminance Y becomes Y + t(c - Y) with the largest t <= 1 that
    puts every channel in [0, 1]. Luminance is linear in c, so Y and L* are preserved.

    For a pixel outside, the map's own gradient runs along the gamut's surface and is zero in the
    inward direction. A pull back inside is added, so that an over-saturated output can return;
    clipping would hold it there.

    Args:
        rgb: (N, 3, H, W), sRGB, of any value.

    Returns:
        (N, 3, H, W), sRGB in [0, 1].
    """
    linear = rgb_to_linear_rgb(rgb)
    parts = (c * weight for c, weight in zip(linear.unbind(dim=1), LUMINANCE, strict=True))
    grey = torch.stack(list(parts)).sum(dim=0)[:, None].clamp(0, 1)
    offset = linear - grey
    room = torch.where(offset > 0, 1 - grey, grey)
    t = (room / offset.abs().clamp(min=1e-6)).amin(dim=1, keepdim=True)
    mapped = linear_rgb_to_rgb(grey + t * offset).clamp(0, 1)
    outside = ((rgb < 0) | (rgb > 1)).any(dim=1, keepdim=True)
    mapped = torch.where(outside, mapped, rgb)
    inward: Tensor = _Inward.apply(rgb, mapped.detach())
    return mapped + inward


class _Inward(torch.autograd.Function):
    """Zero whose gradient pulls a pixel outside the gamut towards its mapped colour."""

    @staticmethod
    def forward(ctx: Any, rgb: Tensor, mapped: Tensor) -> Tensor:
        ctx.save_for_backward(rgb - mapped)
        return torch.zeros_like(rgb)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        (grad,) = grads
        (outward,) = ctx.saved_tensors
        along = (grad * outward).sum(dim=1, keepdim=True)
        length = (outward * outward).sum(dim=1, keepdim=True).clamp(min=1e-20)
        # Descent moves a pixel along -grad, so a positive product is a pull inside.
        return outward * (along.clamp(min=0) / length), None
