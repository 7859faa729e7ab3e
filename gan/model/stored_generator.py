"""Stored generators: the weights and the config of a trained generator, from any place."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from gan import checkpoint
from gan.config import TrainConfig
from gan.errors import UserError
from gan.model.networks import UNetGenerator

BEFORE = {"upsampling": "transposed", "distribution_weight": 0.0}
"""Settings of generators trained before these could be chosen."""


def load_generator(path: Path) -> UNetGenerator:
    """Load a trained generator, ready to colour, with its ``config``.

    Args:
        path: a checkpoint, a trial's directory (its newest), a downloaded ``generator`` artifact,
            an export, or a .safetensors file with its config.json in the same directory; weights
            of 16 bits become 32.

    Raises:
        UserError: ``path`` holds no generator.
    """
    if path.suffix == ".onnx":
        raise UserError(f"{path}: is for other programs; use {checkpoint.GENERATOR} next to it")
    if not path.exists():
        raise UserError(f"{path}: no generator to load (there is no such file or directory)")
    try:
        weights, text = _generator_files(path)
        settings = json.loads(text)
        if not isinstance(settings, dict):
            raise ValueError(f"{checkpoint.CONFIG} has no names and values")
        with torch.device("meta"):  # draws no weights, as they are loaded below
            network = UNetGenerator(TrainConfig.model_validate(BEFORE | settings))
        network.load_state_dict(_widened(checkpoint.unpack(weights)), assign=True)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no generator to load (there is no {error.filename})") from None
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: no generator to load ({reason})") from None
    return network.eval()


def halved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round matrices and kernels to 16 bits; the few other numbers keep their range."""
    return {name: w.half() if w.dim() > 1 else w for name, w in weights.items()}


def _widened(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: w.float() if w.dtype == torch.float16 else w for name, w in weights.items()}


def _generator_files(path: Path) -> tuple[bytes, bytes]:
    """Read the weights and the config of a generator, verified where they are a checkpoint's.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: the checkpoint is damaged.
    """
    names = checkpoint.GENERATOR, checkpoint.CONFIG
    weights = path / checkpoint.GENERATOR if path.is_dir() else path
    if path.is_dir() and not weights.exists():
        found = checkpoint.newest(path, *names)
    elif weights.name == checkpoint.GENERATOR and weights.with_name(checkpoint.MANIFEST).exists():
        found = checkpoint.read(weights.parent, *names)
        if found is None:
            raise ValueError("a damaged checkpoint; the trial's directory may have another")
    else:
        found = None
    if found is None:
        return weights.read_bytes(), weights.with_name(checkpoint.CONFIG).read_bytes()
    return found.files[checkpoint.GENERATOR], found.files[checkpoint.CONFIG]
