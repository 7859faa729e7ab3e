"""Presets: the settings that published recipes name."""

from typing import Any

_PUBLISHED: dict[str, Any] = {
    "l1_weight": 100.0,
    "distribution_weight": 0.0,
    "fit": "none",
    "penalty_weight": 200.0,
    "penalty_from_step": 0.0,
    "upsampling": "transposed",
    "head_gain": 1.0,
}
"""Settings common to both recipes."""
PRESETS: dict[str, dict[str, Any]] = {
    "original": {
        **_PUBLISHED,
        "generator_lr": 2e-4,
        "discriminator_lr": 2e-4,
        "lr_plateau_steps": 4000,
        "beta1": 0.5,
        "label_smoothing": 0.1,
    },
    "parent": {
        **_PUBLISHED,
        "generator_lr": 3e-4,
        "discriminator_lr": 3e-5,
        "discriminator_every": 2,
        "beta1": 0.0,
        "label_smoothing": 0.0,
    },
}
"""Published recipes of the original project and of the code that it extends (``parent``).

``preset: original`` in a config sets each of these that the config does not give. The original
project names no plateau patience: 4,000 steps are about 10 epochs of its CIFAR-10 at batch 128.
"""
OLD_PRESETS = {"seed": "original"}
"""Earlier names of presets, still accepted."""
