"""What a generator sees of a picture, and the colours that it makes of it."""

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from gan.colour.statistic import Targets
from gan.model.networks import UNetGenerator

SCALE = 2
"""Short side that the generator sees, in multiples of its image size; training uses 1 to 6. Mean
error of saturation (steered trials of sweeps/quickstart.yaml, every second held-out photograph):
0.0166, against 0.0186 at 1, where colours also spill over edges, and 0.0185 at 3."""
LONGEST = 4
"""Largest area that the generator sees, in squares of that short side."""

MARGIN = 4
SHIFTS = ((0, 1), (1, 3), (2, 0), (3, 2))
"""Places (down, right) of a picture in a frame that is larger by ``MARGIN``. The generator colours
it at each of them, and the results are averaged. This removes the 4-pixel grid of transposed
convolutions, plainly visible in an enlarged sky, and reduces the blotches of other generators."""
SHIFTED_PIXELS = 2**17
"""Seen pixels above which a picture is coloured only once: 12 megapixels through the largest
256-pixel generators, whose grid is finer, would take 12 s on one core."""


def seen_sides(sides: tuple[int, ...], size: int, stride: int) -> tuple[int, int]:
    """Return the height and width at which a generator sees a picture, without the frame.

    With the frame, the short side is the picture's own, but at least ``size`` and at most twice
    that, or less if the picture is very long. Both sides are multiples of the stride.

    Args:
        sides: height and width of the picture, pixels.
        size: side of the generator's square training images.
        stride: stride of the generator.
    """
    short = min(max(min(sides), size), SCALE * size)
    most = LONGEST * (SCALE * size) ** 2
    ratio = min(short / min(sides), math.sqrt(most / (sides[0] * sides[1])))
    height, width = (max(1, round(side * ratio / stride)) * stride for side in sides)
    longest = most // min(height, width) // stride * stride
    return min(height, longest) - MARGIN, min(width, longest) - MARGIN


def generated(generator: UNetGenerator, l: Tensor, targets: Targets) -> Tensor:  # noqa: E741
    """Average a generator's colours for L (1, 1, h, w) over ``SHIFTS``: ab (1, 2, h, w)."""
    height, width = l.shape[2:]
    shifts = SHIFTS if height * width <= SHIFTED_PIXELS else SHIFTS[:1]
    total = l.new_zeros(1, 2, height, width)
    for down, right in shifts:
        edges = (right, MARGIN - right, down, MARGIN - down)
        ab = generator(pad(l, edges, mode="replicate"), targets)
        total += ab[:, :, down : down + height, right : right + width]
    return total / len(shifts)


class Enlarged:
    """Colours enlarged to the size of a picture, computed one part at a time."""

    def __init__(self, ab: Tensor, sides: tuple[int, ...]) -> None:
        """Prepare to enlarge ab (1, 2, h, w) to a height and width."""
        height, width = sides
        # Resizing is linear in each direction: an enlarged identity is its matrix.
        each_row = torch.eye(ab.shape[2], device=ab.device)[None, None]
        self.rows = resized(each_row, (height, ab.shape[2]))[0, 0]
        self.columns = resized(ab, (ab.shape[2], width))[0]

    def part(self, down: slice | Tensor, right: slice | Tensor = slice(None)) -> Tensor:
        """Return ab (1, 2, rows, columns) of some rows and columns of the picture."""
        return torch.matmul(self.rows[down], self.columns[..., right])[None]


def resized(x: Tensor, sides: tuple[int, ...]) -> Tensor:
    """Resize (N, C, H, W) to a height and width, by cubic convolution without aliasing."""
    return interpolate(x, sides, mode="bicubic", antialias=True)
