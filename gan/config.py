"""The one place where a training option is named, typed, bounded and documented."""

import hashlib
import json
import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

ControlName = Literal["saturation", "hue", "red", "green", "blue"]
DatasetName = Literal["photos", "folder", "npz", "cifar10", "cifar100"]

# Raised when a change of the engine makes the same settings train another generator.
KEY_SCHEMA = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class Control(_Frozen):
    """A colour statistic to steer: adds ``weight * |mean - target|`` to the generator's loss."""

    target: float = Field(ge=0, le=1)
    """sigma: the wanted mean over an image, in [0, 1]; hue in turns (0 red, 1/3 green)."""
    weight: float = Field(default=200.0, ge=0)
    """lambda. 1 (the seed's) is as good as no control against the L1's 100; 200 steers."""


class TrainConfig(_Frozen):
    """Everything that determines a trial: the same config trains the same generator."""

    dataset: DatasetName = "photos"
    """photos (carried along), folder (any directory of images), npz (uint8 arrays ``train`` and
    ``test`` of shape (N, H, W, 3)), cifar10 or cifar100 (through torchvision)."""
    dataset_path: str | None = None
    """Where the dataset is: a directory, or the .npz file. Relative to the current directory."""
    image_size: Literal[32, 64, 128, 256] = 32
    """Side of the square training images, in pixels; sets the depth of the networks."""
    base_channels: int = Field(default=64, ge=1, le=512)
    """Channels of the first layer; the others follow."""
    steps: int | None = Field(default=None, ge=1)
    """Length of the training in generator updates. Give this or ``epochs``."""
    epochs: float | None = Field(default=None, gt=0)
    """Length of the training in passes over the training images. Give this or ``steps``."""
    batch_size: int = Field(default=128, ge=2)
    """Images a step."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Initial weights, sample order, crops, flips and dropout all follow from it."""
    generator_lr: float = Field(default=2e-4, gt=0)
    """Adam's learning rate for the generator."""
    discriminator_lr: float = Field(default=2e-4, gt=0)
    """Adam's learning rate for the discriminator."""
    lr_decay_steps: float | None = Field(default=None, gt=0)
    """Both rates shrink exponentially, by ``lr_decay_rate`` every so many steps; never if unset."""
    lr_decay_rate: float = Field(default=0.1, gt=0, le=1)
    """Factor of the learning rates for each ``lr_decay_steps``."""
    beta1: float = Field(default=0.5, ge=0, lt=1)
    """Adam's momentum, reduced from the usual 0.9."""
    l1_weight: float = Field(default=200.0, ge=0)
    """lambda of the L1 distance between the generated and the real ab, both scaled to [-1, 1]."""
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """One-sided: the discriminator's target for real images is 1 minus this."""
    augment: bool = True
    """Flip every other training image, at random, left to right."""
    controls: dict[ControlName, Control] = {}
    """The colour statistics to steer, by name; several may act at once."""
    log_every: int = Field(default=50, ge=1)
    """Steps between two points of the loss curves."""
    evaluate_every: int = Field(default=1000, ge=1)
    """Steps between two evaluations on the held-out images, each with a sample grid."""
    eval_images: int = Field(default=1000, ge=1)
    """Held-out images an evaluation uses, at most."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the convolutions; colour arithmetic is always float32. ``auto``: bfloat16 where the
    device has instructions for it."""

    @field_validator("controls")
    @classmethod
    def _sorted(cls, controls: dict[ControlName, Control]) -> dict[ControlName, Control]:
        return dict(sorted(controls.items()))

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        return self

    @model_validator(mode="after")
    def _path_where_needed(self) -> Self:
        if self.dataset == "photos" and self.dataset_path is not None:
            raise ValueError("dataset photos takes no dataset_path; for your own: dataset: folder")
        if self.dataset in ("folder", "npz") and self.dataset_path is None:
            raise ValueError(f"dataset {self.dataset} needs a dataset_path")
        return self

    def key(self) -> str:
        """Name the trial by what it sets, its length aside: 10 hex digits.

        A field left at, or set to, its default does not count, so that a new field changes no key.
        """
        settings = self.model_dump(mode="json", exclude_defaults=True, exclude={"steps", "epochs"})
        text = json.dumps([KEY_SCHEMA, settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def total_steps(self, images: int) -> int:
        """Return the length in steps: given as such, or as passes over ``images`` images."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None, "the validator wants one of the two"
        return max(1, math.ceil(self.epochs * images / self.batch_size))
