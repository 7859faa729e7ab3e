"""The one place where a training option is named, typed, bounded and documented."""

import hashlib
import json
import math
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

ControlName = Literal[
    "saturation", "hue", "red", "green", "blue", "chroma", "a", "b", "warmth", "colourfulness"
]
DatasetName = Literal[
    "photos", "folder", "npz", "cifar10", "cifar100", "stl10", "celeba", "places365", "lsun"
]

# Raised when a change of the engine makes the same settings train another generator.
KEY_SCHEMA = 2

TARGETS: dict[ControlName, tuple[float, float]] = {
    "saturation": (0, 1),
    "hue": (0, 1),
    "red": (0, 1),
    "green": (0, 1),
    "blue": (0, 1),
    "chroma": (0, 134),
    "a": (-86, 98),
    "b": (-108, 94),
    "warmth": (-1.7, 2.4),
    "colourfulness": (0, 280),
}
"""Bounds of each control's target: what sRGB colours can have, in the statistic's own unit."""

PRESETS: dict[str, dict[str, Any]] = {
    "seed": {
        "generator_lr": 2e-4,
        "discriminator_lr": 2e-4,
        "lr_plateau_steps": 4000,
        "beta1": 0.5,
        "l1_weight": 100.0,
        "label_smoothing": 0.1,
        "head_gain": 1.0,
    },
    "parent": {
        "generator_lr": 3e-4,
        "discriminator_lr": 3e-5,
        "discriminator_every": 2,
        "beta1": 0.0,
        "l1_weight": 100.0,
        "label_smoothing": 0.0,
        "head_gain": 1.0,
    },
}
"""Published recipes: the document colorsweep started from, and the code that that extends.

``preset: seed`` in a config sets what is not given beside it. The seed names no patience for its
plateau: 4,000 steps are about 10 epochs of its CIFAR-10 at batch 128.
"""


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class Control(_Frozen):
    """A colour statistic to steer: adds ``weight * |value - target|`` to the generator's loss.

    The difference is counted in parts of the statistic's range (``TARGETS``), so that a weight
    means about the same for each.
    """

    target: float
    """sigma: the wanted value for an image, in the statistic's unit; its bounds: ``TARGETS``."""
    weight: float = Field(default=200.0, ge=0)
    """lambda. 1 (the seed's) is as good as no control against the L1's 100; 200 steers."""


class TrainConfig(_Frozen):
    """Everything that determines a trial: the same config trains the same generator."""

    dataset: DatasetName = "photos"
    """photos (carried along), folder (any directory of images), npz (uint8 arrays ``train`` and
    ``test`` of shape (N, H, W, 3)), cifar10, cifar100, stl10, celeba or places365 (downloaded
    through torchvision), lsun (the two databases of one category, in ``dataset_path``)."""
    dataset_path: str | None = None
    """Where the dataset is, or is downloaded to (~/.cache/colorsweep): a directory, or the .npz
    file. Relative to the current directory."""
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
    lr_plateau_steps: int | None = Field(default=None, ge=1)
    """Both rates shrink at once, by ``lr_decay_rate``, when the generator's loss has not fallen
    for so many steps; never if unset."""
    lr_decay_rate: float = Field(default=0.1, gt=0, le=1)
    """Factor of the learning rates for each ``lr_decay_steps`` and each plateau."""
    discriminator_every: int = Field(default=1, ge=1)
    """Generator updates for each update of the discriminator."""
    beta1: float = Field(default=0.5, ge=0, lt=1)
    """Adam's momentum, reduced from the usual 0.9."""
    l1_weight: float = Field(default=100.0, ge=0)
    """lambda of the L1 distance between the generated and the real ab, both scaled to [-1, 1]."""
    label_smoothing: float = Field(default=0.1, ge=0, le=0.5)
    """One-sided: the discriminator's target for real images is 1 minus this."""
    generator_loss: Literal["non_saturating", "minimax"] = "non_saturating"
    """-log D(G(x)), the heuristic cost of Goodfellow's tutorial, or log(1 - D(G(x)))."""
    initialization: Literal["he", "normal"] = "he"
    """Of the convolutions: He's normal distribution, or DCGAN's of deviation 0.02."""
    head_gain: float = Field(default=0.05, gt=0)
    """Factor of the initial weights of the generator's last layer: below 1 a training starts near
    grey. With 1 (the seed's) a mean saturation of 0 was missed by 0.12 after 1,500 steps, with
    0.05 by 0.006 after 400."""
    batch_norm: bool = True
    """Batch normalisation in both networks."""
    downsampling: Literal["stride", "pooling"] = "stride"
    """By convolutions of stride 2, or by convolutions of stride 1 and max pooling."""
    leaky_slope: float = Field(default=0.2, ge=0, lt=1)
    """Slope of LeakyReLU below 0, in the encoder and the discriminator; 0 is ReLU."""
    augment: bool = True
    """Flip every other training image, at random, left to right."""
    controls: dict[ControlName, Control] = {}
    """The colour statistics to steer, by name; several may act at once."""
    recolour: bool = False
    """Train without control, and move the outputs to the controls' targets afterwards (chroma
    scaled, hue rotated): what steering in training is compared with. Weights must be 0."""
    log_every: int = Field(default=50, ge=1)
    """Steps between two points of the loss curves."""
    evaluate_every: int = Field(default=1000, ge=1)
    """Steps between two evaluations on the held-out images, each with a sample grid."""
    eval_images: int = Field(default=1000, ge=1)
    """Held-out images an evaluation uses, at most."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the convolutions; colour arithmetic is always float32. ``auto``: bfloat16 where the
    device has instructions for it. On a GPU float32 convolutions are PyTorch's, in TF32."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, settings: Any) -> Any:
        if not isinstance(settings, dict):
            return settings
        given = {k: v for k, v in settings.items() if k != "preset"}
        if (name := settings.get("preset")) is None:
            return given
        if not isinstance(name, str) or name not in PRESETS:
            raise ValueError(f"preset: {name!r}; valid: {', '.join(PRESETS)}")
        return PRESETS[name] | given

    @field_validator("controls")
    @classmethod
    def _in_range(cls, controls: dict[ControlName, Control]) -> dict[ControlName, Control]:
        for name, control in controls.items():
            low, high = TARGETS[name]
            if not low <= control.target <= high:
                raise ValueError(f"{name}.target {control.target:g} is not in [{low}, {high}]")
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

    @model_validator(mode="after")
    def _recolour_is_no_loss(self) -> Self:
        weighted = [name for name, control in self.controls.items() if control.weight > 0]
        if self.recolour and (weighted or not self.controls):
            raise ValueError("recolour wants controls, of weight 0")
        return self

    def without_control(self) -> Self:
        """Return the same trial without control: its baseline."""
        return self.model_copy(update={"controls": {}, "recolour": False})

    def recoloured_to(self, controls: dict[ControlName, Control]) -> Self:
        """Return the trial that meets the controls' targets after the training of this one."""
        aims = {name: Control(target=c.target, weight=0) for name, c in controls.items()}
        return self.model_copy(update={"controls": aims, "recolour": True})

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
        # Rounded first: 1.1 epochs of 100 images are 110 images, not a little more.
        return max(1, math.ceil(round(self.epochs * images, 6) / self.batch_size))
