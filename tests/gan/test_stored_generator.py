"""Generators that were saved are loaded as they were; whatever is no generator is told."""

from pathlib import Path

import pytest
import torch

from gan import checkpoint
from gan.config import TrainConfig
from gan.errors import UserError
from gan.model.networks import build
from gan.model.stored_generator import halved, load_generator


def save_generator(directory: Path, config: TrainConfig) -> torch.nn.Module:
    generator, _ = build(config)
    (directory / "config.json").write_text(config.model_dump_json())
    (directory / "generator.safetensors").write_bytes(checkpoint.pack(generator.state_dict()))
    return generator


@pytest.mark.parametrize("image_size", [32, 64])
def test_a_generator_loaded_colours_as_the_one_saved(tmp_path: Path, image_size: int) -> None:
    config = TrainConfig.model_validate({"steps": 1, "base_channels": 4, "image_size": image_size})
    generator = save_generator(tmp_path, config)
    loaded = load_generator(tmp_path)
    assert not loaded.training
    l = torch.linspace(-1, 1, 2 * image_size**2).view(2, 1, image_size, image_size)  # noqa: E741
    assert torch.equal(loaded(l), generator.eval()(l))


def test_weights_of_16_bits_are_half_as_large_and_colour_alike(tmp_path: Path) -> None:
    config = TrainConfig(steps=1, base_channels=8)
    generator = save_generator(tmp_path, config)
    file = tmp_path / "generator.safetensors"
    whole = file.stat().st_size
    file.write_bytes(checkpoint.pack(halved(generator.state_dict())))
    assert file.stat().st_size < 0.6 * whole
    loaded = load_generator(tmp_path)
    assert {each.dtype for each in loaded.parameters()} == {torch.float32}
    l = torch.linspace(-1, 1, 32**2).view(1, 1, 32, 32)  # noqa: E741
    assert (loaded(l) - generator.eval()(l)).abs().max() < 0.005


def test_where_there_is_no_generator_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no generator to load") as caught:
        load_generator(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "generator.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no such thing", b"\xff" * 100])
def test_a_generator_that_cannot_be_read_is_the_users_mistake(
    tmp_path: Path, name: str, content: bytes
) -> None:
    save_generator(tmp_path, TrainConfig(steps=1, base_channels=4))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"no generator to load"):
        load_generator(tmp_path)


@pytest.mark.parametrize("content", ["[1]", "5", "null", '"steps"'])
def test_a_config_that_is_no_mapping_is_the_users_mistake(tmp_path: Path, content: str) -> None:
    save_generator(tmp_path, TrainConfig(steps=1, base_channels=4))
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"no generator to load \(config\.json has no names"):
        load_generator(tmp_path)


def test_the_weights_of_another_architecture_are_the_users_mistake(tmp_path: Path) -> None:
    save_generator(tmp_path, TrainConfig(steps=1, base_channels=4))
    other = TrainConfig(steps=1, base_channels=8).model_dump_json()
    (tmp_path / "config.json").write_text(other)
    with pytest.raises(UserError, match=r"no generator to load"):
        load_generator(tmp_path)
