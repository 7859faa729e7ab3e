from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan.colour.statistic import Targets
from gan.control import Control, ControlName
from gan.errors import UserError
from gan.model.conditioning import Modulation, coordinates, reading_of, with_planes
from gan.model.networks import Discriminator, UNetGenerator, build
from tests.support import factories
from tests.support.trainings import Start

BOTH: dict[str, Any] = {"saturation": {"target": "any"}, "hue": {"target": "any"}}


config = partial(factories.config, base_channels=4, head_gain=1.0, controls=BOTH)


def pictures(channels: int = 1) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.rand(3, channels, 32, 32, generator=random) * 2 - 1


def targets(saturation: float, hue: float = 0.5) -> Targets:
    return {"saturation": torch.full((3,), saturation), "hue": torch.full((3,), hue)}


def coloured(generator: UNetGenerator, given: Targets | None) -> Tensor:
    with torch.no_grad():
        made: Tensor = generator.eval()(pictures(), given)
    return made


# Coordinates


def test_coordinates_are_minus_1_to_1_over_what_is_drawn_and_hue_a_point_of_the_circle() -> None:
    controls: dict[ControlName, Control] = {
        "hue": Control(target="any"),
        "saturation": Control(target="any", min=0.2, max=0.6),
        "warmth": Control(target="any"),
    }
    given: Targets = {
        "warmth": torch.tensor([-1.7, 2.4, 0.35]),
        "hue": torch.tensor([0.0, 0.25, 0.4]),
        "saturation": torch.tensor([0.2, 0.6, 0.3]),
        "red": torch.tensor([9.0, 9.0, 9.0]),  # not asked for
    }
    turns = 2 * np.pi * np.array([0, 0.25, 0.4])
    wanted = np.stack(
        [np.cos(turns), np.sin(turns), [-1, 1, -0.5], [-1, 1, 0]],
        axis=1,
    )
    np.testing.assert_allclose(coordinates(given, controls), wanted, atol=1e-6)


def test_hue_goes_on_across_0_and_1() -> None:
    control: dict[ControlName, Control] = {"hue": Control(target="any")}
    hues = torch.tensor([0.0, 1.0, 0.999, 0.001])
    points = coordinates({"hue": hues}, control).double().numpy()
    np.testing.assert_allclose(points[0], points[1], atol=1e-6)
    apart = np.linalg.norm(points[2] - points[3])
    assert apart == pytest.approx(2 * np.sin(2 * np.pi * 0.001), rel=1e-3)


def test_a_statistics_reading_is_its_own_columns() -> None:
    read = torch.arange(8.0).reshape(2, 4)
    names: tuple[ControlName, ...] = ("green", "hue", "saturation")
    assert reading_of(read, "green", names).tolist() == [[0], [4]]
    assert reading_of(read, "hue", names).tolist() == [[1, 2], [5, 6]]
    assert reading_of(read, "saturation", names).tolist() == [[3], [7]]


def test_planes_lie_beside_the_picture() -> None:
    made = with_planes(pictures(2), torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    assert torch.equal(made[:, :2], pictures(2))
    assert [made[n, 2 + k][0, 0].item() for n in range(3) for k in range(2)] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]


def test_a_modulation_scales_and_shifts_each_map() -> None:
    modulation = Modulation(2, 3)
    given, maps = torch.rand(2, 2), torch.rand(2, 3, 4, 4)
    inner, outer = modulation.inner, modulation.outer
    hidden = given.numpy() @ inner.weight.detach().numpy().T + inner.bias.detach().numpy()
    hidden = hidden / (1 + np.exp(-hidden))
    both = hidden @ outer.weight.detach().numpy().T + outer.bias.detach().numpy()
    scale, shift = both[:, :3, None, None], both[:, 3:, None, None]
    wanted = maps.numpy() * (1 + scale) + shift
    found = modulation(maps, given).detach()
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    # Also under autocast, where the maps are bfloat16 and the coordinates are not rounded.
    with torch.autocast("cpu", torch.bfloat16):
        rounded = modulation(maps.bfloat16(), given).detach()
    assert rounded.dtype == torch.bfloat16
    np.testing.assert_allclose(rounded.float(), wanted, atol=0.03)


# What a network does with its targets


def test_at_first_a_modulated_generator_makes_the_same_of_every_target() -> None:
    generator, _ = build(config(conditioning="film"))
    made = [coloured(generator, targets(*of)) for of in ((0.1, 0.2), (0.9, 0.7))]
    assert torch.equal(*made)
    assert made[0].std() > 0.01, "it says something"
    # And what it would make without them: a modulation begins as the identity.
    for modulation in generator.given.modulations:
        assert isinstance(modulation, Modulation)
        maps = torch.rand(3, modulation.outer.out_features // 2, 4, 4)
        assert torch.equal(modulation(maps, torch.rand(3, 3)), maps)


@pytest.mark.parametrize("conditioning", ["plane", "both"])
def test_a_plane_tells_targets_apart_from_the_start(conditioning: str) -> None:
    generator, discriminator = build(config(conditioning=conditioning))
    low, high = targets(0.1), targets(0.9)
    assert not torch.allclose(coloured(generator, low), coloured(generator, high), atol=1e-3)
    ab = pictures(2)
    judged = [discriminator.eval()(pictures(), ab, of).logits for of in (low, high)]
    assert not torch.allclose(judged[0], judged[1], atol=1e-3)


@pytest.mark.parametrize("conditioning", ["film", "plane", "both"])
def test_after_some_steps_outputs_differ_by_target(start: Start, conditioning: str) -> None:
    of = start(controls=BOTH, conditioning=conditioning, head_gain=1.0)
    for _ in range(3):
        of.training.train_step()
    gan = of.training.gan
    for change in (targets(0.9), targets(0.1, 0.1)):
        made = [coloured(gan.generator, x) for x in (targets(0.1), change)]
        assert (made[0] - made[1]).abs().mean() > 1e-4
        judge = gan.discriminator.eval()
        judged = [judge(pictures(), pictures(2), x).logits for x in (targets(0.1), change)]
        assert (judged[0] - judged[1]).abs().mean() > 1e-4


def test_each_picture_has_targets_of_its_own() -> None:
    generator, _ = build(config(conditioning="both"))
    generator.eval()
    mixed: Targets = {
        "saturation": torch.tensor([0.1, 0.9, 0.9]),
        "hue": torch.tensor([0.5, 0.5, 0.5]),
    }
    made = coloured(generator, mixed)
    assert torch.allclose(made[0], coloured(generator, targets(0.1))[0], atol=1e-6)
    assert torch.allclose(made[1:], coloured(generator, targets(0.9))[1:], atol=1e-6)


def test_targets_that_it_is_not_given_are_ignored() -> None:
    generator, _ = build(config(controls={"saturation": {"target": "any"}}))
    assert generator.conditions == ("saturation",)
    assert torch.equal(
        coloured(generator, targets(0.4, 0.1)), coloured(generator, targets(0.4, 0.9))
    )
    free, _ = build(config(controls={"saturation": {"target": 0.5}}))
    assert free.conditions == ()
    assert torch.equal(coloured(free, targets(0.4)), coloured(free, None))


@pytest.mark.parametrize(
    ("given", "named"),
    [(None, "hue, saturation"), ({}, "hue, saturation"), ({"hue": torch.ones(3)}, "saturation")],
    ids=str,
)
def test_a_missing_target_is_one_line(given: Any, named: str) -> None:
    generator, _ = build(config())
    with pytest.raises(UserError) as caught:
        coloured(generator, given)
    assert str(caught.value) == f"this generator needs a target for {named}"


# Layers


@pytest.mark.parametrize(
    ("conditioning", "planes", "modulated"),
    [("film", False, True), ("plane", True, False), ("both", True, True)],
)
def test_networks_have_the_layers_of_their_conditioning(
    conditioning: str, planes: bool, modulated: bool
) -> None:
    of = config(conditioning=conditioning)
    for network, channels in ((UNetGenerator(of), 1), (Discriminator(of), 3)):
        first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
        assert first.in_channels == channels + 3 * planes, "saturation, and a point for hue"
        found = [m for m in network.modules() if isinstance(m, Modulation)]
        # One for each block but the head.
        blocks = [m for m in network.modules() if isinstance(m, nn.LeakyReLU | nn.ReLU)]
        assert len(found) == (len(blocks) if modulated else 0)
        assert all(m.inner.in_features == 3 for m in found)
    widths = [
        m.outer.out_features // 2
        for m in UNetGenerator(config()).modules()
        if isinstance(m, Modulation)
    ]
    assert widths == [4, 8, 16, 32, 32, 32, 16, 8, 4]


@pytest.mark.parametrize(
    "fields",
    [
        {"controls": {}},
        {"controls": {"hue": {"target": 0.6}}},
        {"controls": BOTH, "recolour": True},
    ],
    ids=str,
)
def test_networks_of_fixed_targets_have_the_weights_that_they_had(fields: dict[str, Any]) -> None:
    controls = {name: {**of, "weight": 0} for name, of in fields["controls"].items()}
    of = config(**{**fields, "controls": controls})
    counts = [sum(p.numel() for p in net.parameters()) for net in build(of)]
    with torch.device("meta"):
        plain = config(controls={}, preset="original")
        networks = UNetGenerator(plain), Discriminator(plain)
    assert counts == [sum(p.numel() for p in net.parameters()) for net in networks]
    assert [name for name, _ in build(of)[0].named_parameters() if "given" in name] == []


# Upsampling


@pytest.mark.parametrize("batch_norm", [True, False])
def test_resizing_is_enlarging_by_nearest_neighbours_and_a_4x4_convolution(
    batch_norm: bool,
) -> None:
    generator, _ = build(config(batch_norm=batch_norm))
    layer, mean = generator.decoder[-1][:2]  # type: ignore[index]
    maps = torch.rand(2, layer.in_channels, 6, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = mean(layer(maps))
        enlarged = nn.functional.interpolate(maps, scale_factor=2)
        kernel = layer.weight.transpose(0, 1).flip(2, 3) / 4
        padded = nn.functional.pad(enlarged, (1, 2, 1, 2))
        wanted = nn.functional.conv2d(padded, kernel, layer.bias)
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=0)
    assert made.std() > 0.05


@pytest.mark.parametrize(("upsampling", "flat"), [("resize", True), ("transposed", False)])
def test_of_a_flat_map_resizing_makes_a_flat_one(upsampling: str, flat: bool) -> None:
    generator, _ = build(config(upsampling=upsampling))
    layers = list(generator.decoder[-1].children())[: 2 if flat else 1]
    with torch.no_grad():
        made = torch.full((1, len(layers[0].weight), 8, 8), 0.5)  # type: ignore[arg-type]
        for layer in layers:
            made = layer(made)
    spread = made[..., 4:-4, 4:-4].std(dim=(2, 3)).max().item()
    assert spread < 1e-6 if flat else spread > 0.05


def test_resizing_has_as_many_weights() -> None:
    networks = (build(config(upsampling=of))[0] for of in ("resize", "transposed"))
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts[0] == counts[1]
