"""Scenes: several pictures, such as frames of a film, whose colours are moved alike."""

import torch
from torch import Tensor

from gan.colour.exact_control import Move
from gan.inference.colorizer import Colorizer, Targets
from gan.inference.pixels import MEASURED_PIXELS
from gan.inference.prepared import Prepared
from gan.inference.sampled import SampledPixels
from gan.inference.seen import Enlarged


class Scene:
    """Pictures whose statistics meet the targets together, by one move.

    Moved to a target one by one, the colours of what stands still would change with what comes
    and goes beside it, or with the exposure: a film would flicker.
    """

    def __init__(self, colorizer: Colorizer, targets: Targets, count: int) -> None:
        """Begin a scene.

        Args:
            colorizer: generator of the colours.
            targets: targets by name, as of a call of the colorizer.
            count: number of pictures to come.

        Raises:
            TypeError, ValueError, UserError: as of a call of the colorizer.
        """
        self.colorizer, self.wanted = colorizer, colorizer.targets(targets)
        self.pixels = max(1, MEASURED_PIXELS // count)
        self.random = torch.Generator().manual_seed(0)
        self.samples: list[SampledPixels] = []
        self.colours: list[Tensor] = []

    def add(self, picture: Prepared) -> None:
        """Add a picture, as a sample of its pixels; all have one type of samples."""
        with torch.inference_mode():
            colours = Enlarged(self.colorizer.generated(picture, self.wanted), picture.sides)
            every = picture.sample.light.shape[3]
            some = torch.randperm(every, generator=self.random)[: self.pixels].to(picture.device)
            self.samples.append(picture.sample.chosen(some))
            self.colours.append(picture.at_sample(colours)[..., some])

    def move(self) -> Move:
        """Find the move that takes the pictures, one at least, to the targets together."""
        with torch.inference_mode():
            together = SampledPixels.together(self.samples)
            return together.move_to(torch.cat(self.colours, dim=3), self.wanted)[0]
