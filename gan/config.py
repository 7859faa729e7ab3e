"""Training options: the one place where each is named, typed, bounded and documented."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gan.byte_names import PathText
from gan.control import (
    PENALTY_WEIGHT,
    Control,
    ControlName,
    TargetList,
    as_given,
    require_targets_of,
    spread_over,
)
from gan.presets import OLD_PRESETS, PRESETS
from gan.strict import Frozen

DatasetName = Literal[
    "photos", "folder", "npz", "cifar10", "cifar100", "stl10", "celeba", "places365", "lsun"
]

# Raised when a change of the engine makes the same settings train another generator.
KEY_SCHEMA = 6

LEAST_BATCH = 8
"""Pictures whose colours make a distribution: a batch for ``distribution_weight`` has as many."""
EVALUATED = 9
"""Targets at which a trial of any target is evaluated, unless it names them."""


class TrainConfig(Frozen):
    """Everything that determines a trial: the same config trains the same generator."""

    dataset: DatasetName = "photos"
    """photos (shipped), folder (any directory of images), npz (uint8 arrays ``train`` and
    ``test`` of shape (N, H, W, 3)), cifar10, cifar100, stl10, celeba or places365 (downloaded
    through torchvision), lsun (the two databases of one category, in ``dataset_path``)."""
    dataset_path: PathText = None
    """Where the dataset is, or is downloaded to (~/.cache/colorsweep): a directory, or the .npz
    file. Relative to the current directory. A byte that is not UTF-8 is written as ``\\xNN``."""
    image_size: Literal[32, 64, 128, 256] = 32
    """Side of the square training images, in pixels; sets the depth of the networks."""
    base_channels: int = Field(default=64, ge=1, le=512)
    """Channels of the first layer; the others follow."""
    steps: int | None = Field(default=None, ge=1)
    """Length of the training in generator updates. Give this or ``epochs``."""
    epochs: float | None = Field(default=None, gt=0)
    """Length of the training in passes over the training images. Give this or ``steps``."""
    batch_size: int = Field(default=128, ge=2)
    """Images in a step."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Random seed: initial weights, sample order, crops, flips and dropout all follow from it."""
    generator_lr: float = Field(default=2e-4, gt=0)
    """Adam's learning rate for the generator."""
    discriminator_lr: float = Field(default=2e-4, gt=0)
    """Adam's learning rate for the discriminator."""
    lr_decay_steps: float | None = Field(default=None, gt=0)
    """Both rates shrink exponentially, by ``lr_decay_rate`` over so many steps; never if unset."""
    lr_plateau_steps: int | None = Field(default=None, ge=1)
    """Both rates are multiplied by ``lr_decay_rate`` when the generator's loss (the terms that
    act from the start) has not fallen for so many steps; never if unset."""
    lr_decay_rate: float = Field(default=0.1, gt=0, le=1)
    """Factor of the learning rates for each ``lr_decay_steps`` and each plateau."""
    discriminator_every: int = Field(default=1, ge=1)
    """Generator updates for each update of the discriminator."""
    beta1: float = Field(default=0.5, ge=0, lt=1)
    """Adam's momentum, reduced from the usual 0.9."""
    l1_weight: float = Field(default=100.0, ge=0)
    """Weight (lambda) of the L1 distance between generated and real ab, both in [-1, 1]."""
    distribution_weight: float = Field(default=100.0, ge=0)
    """Weight (lambda) of the distance between the colours of a batch as generated and as in the
    photographs: sliced Wasserstein-1 at several scales, which leaves open where a colour is, and
    so asks for variety where L1 asks for the mean."""
    distribution_scales: tuple[float, ...] = Field(default=(0.0, 0.25, 1.0), min_length=1)
    """Sides of the windows whose mean colours are compared, relative to the image; 0: a pixel."""
    fit: Literal["none", "l1", "discriminator", "both"] = "both"
    """Losses that see the photograph moved to its targets in place of the photograph as it is:
    L1, the discriminator (and the distribution of colours), or both; also where a control's weight
    is 0. No effect without control."""
    own_share: float = Field(default=0.5, ge=0, le=1)
    """Share of a batch that is given the photographs' own values where targets are ``any``, with
    the photographs as they are; the rest is given targets drawn uniformly."""
    conditioning: Literal["both", "film", "plane"] = "both"
    """How targets that are ``any`` are given to the networks: scale and shift of every block's maps
    (FiLM), a constant plane beside the picture, or both."""
    penalty_weight: float = Field(default=PENALTY_WEIGHT, ge=0)
    """Weight (lambda) of the penalty of every control that names no weight of its own."""
    penalty_from_step: float = Field(default=0.6, ge=0, lt=1)
    """Share of the length from which the penalty acts; an early one gives all pictures one tint."""
    penalty_on: Literal["generator", "discriminator", "both"] = "generator"
    """Statistic that is penalised: measured of the generated picture; or read from it by the
    discriminator, which learns that from real pictures (AC-GAN); or both."""
    upsampling: Literal["transposed", "resize"] = "resize"
    """Layers of the generator's decoder: transposed convolutions, which leave a lattice of dots; or
    enlarging by nearest neighbours before a convolution."""
    label_smoothing: float = Field(default=0.1, ge=0, le=0.5)
    """One-sided label smoothing: the discriminator's target for real images is 1 minus this."""
    generator_loss: Literal["non_saturating", "minimax"] = "non_saturating"
    """Adversarial loss of the generator: -log D(G(x)), or log(1 - D(G(x)))."""
    initialization: Literal["he", "normal"] = "he"
    """Initial weights of convolutions: He's normal distribution, or DCGAN's (deviation 0.02)."""
    head_gain: float = Field(default=0.05, gt=0)
    """Factor of the initial weights of the generator's last layer: below 1 a training starts near
    grey. With 1 (the original's) a mean saturation of 0 was missed by 0.12 after 1,500 steps, with
    0.05 by 0.006 after 400."""
    batch_norm: bool = True
    """Batch normalisation in both networks."""
    downsampling: Literal["stride", "pooling"] = "stride"
    """Layers of encoder and discriminator: stride 2, or stride 1 and max pooling."""
    leaky_slope: float = Field(default=0.2, ge=0, lt=1)
    """Slope of LeakyReLU below 0, in the encoder and the discriminator; 0 is ReLU."""
    augment: bool = True
    """Flip each training image left to right with a probability of 0.5."""
    controls: dict[ControlName, Control] = Field(default={})
    """The colour statistics to steer, by name; several may act at once."""
    eval_targets: TargetList = ()
    """Targets at which a trial whose targets are ``any`` is evaluated; nine, evenly spread, unless
    given as ``[{saturation: 0.1}, {saturation: 0.7}]``."""
    recolour: bool = False
    """Train without control, and move the outputs to the controls' targets afterwards: the rival of
    steering in training. Weights must be 0."""
    log_every: int = Field(default=50, ge=1)
    """Steps between two points of the loss curves."""
    evaluate_every: int | None = Field(default=None, ge=1)
    """Steps between two evaluations on the held-out images, each with a sample grid; by default a
    tenth of the length."""
    eval_images: int = Field(default=1000, ge=1)
    """Crops of held-out images per evaluation; if all are just image_size, at most one of each."""
    eval_half: Literal["all", "first", "second"] = "all"
    """Half of the held-out images to evaluate on: choose settings on one, report the other."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the convolutions; colour arithmetic is always float32. ``auto``: bfloat16 where
    the device has instructions for it. On a GPU float32 convolutions are PyTorch's, in TF32."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, settings: Any) -> Any:
        if not isinstance(settings, dict):
            return settings
        given = {k: v for k, v in settings.items() if k != "preset"}
        if (name := settings.get("preset")) is None:
            return given
        name = OLD_PRESETS.get(name, name) if isinstance(name, str) else name
        if not isinstance(name, str) or name not in PRESETS:
            raise ValueError(f"preset: {name!r}; valid: {', '.join(PRESETS)}")
        return PRESETS[name] | given

    @field_validator("controls", mode="before")
    @classmethod
    def _weighted(cls, controls: Any, info: ValidationInfo) -> Any:
        if not isinstance(controls, dict) or "penalty_weight" not in info.data:
            return controls
        weight = {"weight": info.data["penalty_weight"]}
        given = ((name, as_given(control)) for name, control in controls.items())
        return {k: weight | v if isinstance(v, dict) else v for k, v in given}

    @field_validator("controls")
    @classmethod
    def _in_range(cls, controls: dict[ControlName, Control]) -> dict[ControlName, Control]:
        for name, control in controls.items():
            control.require_valid(name)
        return {name: control.normalised(name) for name, control in sorted(controls.items())}

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps is None and self.epochs is None:
            raise ValueError("the length is missing: write steps: 1000, or epochs: 10")
        if self.steps is not None and self.epochs is not None:
            raise ValueError(
                f"steps and epochs both give the length; write steps: {self.steps} alone, or "
                f"epochs: {self.epochs:g} alone"
            )
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
            raise ValueError("recolour needs controls, with weight 0")
        return self

    @model_validator(mode="after")
    def _batch_has_a_distribution(self) -> Self:
        if self.distribution_weight > 0 and self.batch_size < LEAST_BATCH:
            raise ValueError(
                f"batch_size {self.batch_size} is too small for a distribution of colours: at "
                f"least {LEAST_BATCH}, or distribution_weight: 0"
            )
        if not all(0 <= scale <= 1 for scale in self.distribution_scales):
            raise ValueError("distribution_scales are parts of the image size, in [0, 1]")
        return self

    @model_validator(mode="after")
    def _eval_targets_are_of_any(self) -> Self:
        if self.any_controls:
            require_targets_of("eval_targets", self.eval_targets, self.any_controls)
        return self

    @property
    def any_controls(self) -> dict[ControlName, Control]:
        """The controls whose target is an input of the generator."""
        return {name: control for name, control in self.controls.items() if control.is_any}

    @property
    def conditions(self) -> tuple[ControlName, ...]:
        """The statistics whose targets the generator is given, in order."""
        return () if self.recolour else tuple(self.any_controls)

    def measured_targets(self) -> list[dict[ControlName, float]]:
        """List the targets of all controls at which the trial is measured; none without one."""
        fixed = {n: c.wanted for n, c in self.controls.items() if not c.is_any}
        if not (inputs := self.any_controls):
            return [fixed] if fixed else []
        given = self.eval_targets or spread_over(inputs, EVALUATED)
        return [dict(sorted((fixed | targets).items())) for targets in given]

    def at(self, targets: Mapping[ControlName, float]) -> Self:
        """Return the same trial with numbers in place of targets that are ``any``."""
        controls = {
            name: control.model_copy(
                update={"target": targets[name], "min": None, "max": None, "hold_out": ()}
            )
            if control.is_any
            else control
            for name, control in self.controls.items()
        }
        return self.model_copy(update={"controls": controls, "eval_targets": ()})

    def without_control(self) -> Self:
        """Return the same trial without control: its baseline."""
        return self.model_copy(update={"controls": {}, "recolour": False, "eval_targets": ()})

    def recoloured_as(self, other: Self) -> Self:
        """Return the trial that meets another's targets after the training of this one."""
        aims = {n: c.model_copy(update={"weight": 0.0}) for n, c in other.controls.items()}
        update = {"controls": aims, "recolour": True, "eval_targets": other.eval_targets}
        return self.model_copy(update=update)

    @property
    def length_counts(self) -> bool:
        """Whether a longer training is another: a penalty acts from a share of the length."""
        return "penalty_from_step" not in self.unread and self.penalty_from_step > 0

    @property
    def unread(self) -> set[str]:
        """Settings that the trial does not look at."""
        unread = {"penalty_weight"}  # it is in the controls' own
        if not any(control.weight > 0 for control in self.controls.values()):
            unread |= {"penalty_on", "penalty_from_step"}
        unread |= set() if self.any_controls else {"eval_targets"}
        unread |= set() if self.conditions else {"own_share", "conditioning"}
        unread |= {"fit"} if self.recolour or not self.controls else set()
        return unread

    def key(self) -> str:
        """Name the trial by what it sets, its length aside: 10 hex digits.

        A field at its default does not count, so that a new field changes no key; nor does one
        that the trial does not look at.
        """
        aside = self.unread if self.length_counts else self.unread | {"steps", "epochs"}
        settings = self.model_dump(mode="json", exclude_defaults=True, exclude=aside)
        text = json.dumps([KEY_SCHEMA, settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def total_steps(self, images: int) -> int:
        """Return the length in steps: given as such, or as passes over ``images`` images."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None, "the validator requires one of the two"
        # Rounded first: 1.1 epochs of 100 images are 110 images, not a little more.
        return max(1, math.ceil(round(self.epochs * images, 6) / self.batch_size))

    def evaluation_interval(self, total_steps: int) -> int:
        """Return the steps between two evaluations of a training of ``total_steps``."""
        return self.evaluate_every or math.ceil(total_steps / 10)
