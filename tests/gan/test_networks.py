from functools import partial
from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from gan.config import TrainConfig
from gan.errors import UserError
from gan.model.mean_of_2x2 import _PairwiseMean
from gan.model.networks import Discriminator, UNetGenerator, build
from tests.support import factories

GENERATOR_32 = [64, 128, 256, 512, 512]
GENERATOR_256 = [64, 64, 128, 256, 512, 512, 512, 512]
DISCRIMINATOR_32 = [64, 128, 256, 512]
DISCRIMINATOR_256 = [64, 128, 256, 512, 512, 512, 512]


config = partial(factories.config, base_channels=4)


def full_size(image_size: int) -> tuple[UNetGenerator, Discriminator]:
    """Both networks as the paper has them, without memory: shapes only."""
    with torch.device("meta"):
        both = config(image_size=image_size, base_channels=64)
        return UNetGenerator(both), Discriminator(both)


def trace(network: nn.Module, *inputs: Tensor) -> list[tuple[str, tuple[int, ...], int]]:
    """Every convolution in order: kind and stride, its output's (channels, height, width)."""
    found: list[tuple[str, tuple[int, ...], int]] = []

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
        assert module.kernel_size[0] == module.kernel_size[1]
        name = {nn.Conv2d: "conv", nn.ConvTranspose2d: "transposed"}[type(module)]
        size = module.kernel_size[0]
        found.append((f"{name} {size}x{size}", tuple(output.shape[1:]), module.stride[0]))

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(note)
    network(*inputs)
    return found


def pictures(image_size: int, channels: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.rand(2, channels, image_size, image_size, generator=random) * 2 - 1


@pytest.mark.parametrize(("image_size", "widths"), [(32, GENERATOR_32), (256, GENERATOR_256)])
def test_the_generator_has_the_papers_layers(image_size: int, widths: list[int]) -> None:
    generator = UNetGenerator(config(image_size=image_size, upsampling="transposed"))
    channels = [width * 4 // 64 for width in widths]
    down = [
        ("conv 4x4", (c, image_size >> i, image_size >> i), 1 if i == 0 else 2)
        for i, c in enumerate(channels)
    ]
    assert down[-1][1][1:] == (2, 2), "the paper's encoder goes down to 2x2"
    up = [("transposed 4x4", (c, 4 << i, 4 << i), 2) for i, c in enumerate(reversed(channels[:-1]))]
    last = ("conv 1x1", (2, image_size, image_size), 1)
    assert trace(generator, pictures(image_size, 1)) == [*down, *up, last]


@pytest.mark.parametrize(
    ("image_size", "widths"), [(32, DISCRIMINATOR_32), (256, DISCRIMINATOR_256)]
)
def test_the_discriminator_has_the_papers_layers(image_size: int, widths: list[int]) -> None:
    discriminator = Discriminator(config(image_size=image_size))
    *down, last = (width * 4 // 64 for width in widths)
    sides = [image_size >> (i + 1) for i in range(len(down))]
    assert sides[-1] == 4, "strides stop at 4x4"
    wanted = [("conv 4x4", (c, side, side), 2) for c, side in zip(down, sides, strict=True)]
    wanted += [("conv 4x4", (last, 4, 4), 1), ("conv 4x4", (1, 4, 4), 1)]
    assert trace(discriminator, pictures(image_size, 1), pictures(image_size, 2)) == wanted


def test_parameters_are_as_many_as_in_the_paper() -> None:
    generator, discriminator = (sum(p.numel() for p in net.parameters()) for net in full_size(32))
    assert generator / 1e6 == pytest.approx(16.7, abs=0.06)
    assert discriminator / 1e6 == pytest.approx(2.8, abs=0.06)


@pytest.mark.parametrize("image_size", [32, 64, 128, 256])
def test_each_decoder_layer_also_sees_the_encoder_layer_of_its_size(image_size: int) -> None:
    generator, _ = full_size(image_size)
    widths = [block[-3].out_channels for block in generator.encoder]  # type: ignore[index]
    inputs = [block[0].in_channels for block in generator.decoder]  # type: ignore[index]
    assert inputs == [widths[-1], *(2 * width for width in widths[-2:0:-1])]
    assert generator.head.in_channels == 2 * widths[0]


@pytest.mark.parametrize(("image_size", "count"), [(32, 2), (64, 3), (256, 3)])
def test_the_first_decoder_layers_drop_half(image_size: int, count: int) -> None:
    generator, discriminator = full_size(image_size)
    rates = [m.p for m in generator.modules() if isinstance(m, nn.Dropout)]
    assert [rate for rate in rates if rate > 0] == [0.5] * count
    assert rates[:count] == [0.5] * count
    assert not [m for m in discriminator.modules() if isinstance(m, nn.Dropout)]


def test_every_layer_but_the_ends_is_normalised() -> None:
    generator, discriminator = full_size(32)
    norms = [m.num_features for m in generator.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == [*GENERATOR_32, *reversed(GENERATOR_32[:-1])]
    norms = [m.num_features for m in discriminator.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == DISCRIMINATOR_32[1:]


@pytest.mark.parametrize("image_size", [32, 64])
def test_colours_are_inside_minus_one_and_one_and_logits_are_4x4(image_size: int) -> None:
    generator, discriminator = build(config(image_size=image_size))
    l = pictures(image_size, 1)  # noqa: E741
    ab = generator(l)
    assert ab.shape == (2, 2, image_size, image_size)
    # In float32, tanh of 9.1 is 1.
    assert ab.abs().max() <= 1
    assert (ab.abs() < 1).float().mean() > 0.99
    assert ab.std() > 0.001, "it says something"
    assert discriminator(l, ab).logits.shape == (2, 1, 4, 4)


def test_the_discriminator_judges_colour_and_lightness() -> None:
    _, discriminator = build(config())
    discriminator.eval()
    l, ab = pictures(32, 1), pictures(32, 2)  # noqa: E741
    judged = discriminator(l, ab).logits
    assert not torch.allclose(discriminator(l.flip(3), ab).logits, judged)
    assert not torch.allclose(discriminator(l, ab.flip(3)).logits, judged)
    assert not torch.allclose(discriminator(l, ab.flip(1)).logits, judged)


def test_weights_are_drawn_from_hes_normal_distribution() -> None:
    for network in build(config(base_channels=16, head_gain=1)):
        for module in network.modules():
            if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                continue
            weights = module.weight.detach().double()
            # PyTorch counts a transposed convolution's fan-in over its outputs.
            fan_in = weights[0].numel()
            wanted = np.sqrt(2 / ((1 + 0.2**2) * fan_in))
            sample = weights.flatten().numpy() / wanted
            assert sample.std() == pytest.approx(1, abs=5 / np.sqrt(2 * len(sample)))
            # Kolmogorov-Smirnov: beyond 2 / sqrt(n) in one of 1,500 normal samples.
            sample = np.sort(sample[:1000])
            expected = [NormalDist().cdf(x) for x in sample]
            distance = np.abs(np.arange(len(sample)) / len(sample) - expected).max()
            assert distance < 2 / np.sqrt(len(sample))
            if module.bias is not None:
                assert not module.bias.any()


def parameters(config: TrainConfig) -> Tensor:
    return torch.cat([p.detach().flatten() for net in build(config) for p in net.parameters()])


def test_the_seed_alone_determines_the_weights() -> None:
    first = parameters(config(seed=3))
    torch.manual_seed(99)
    assert torch.equal(parameters(config(seed=3)), first)
    assert (parameters(config(seed=4)) != first).float().mean() > 0.9


def test_weights_may_be_drawn_as_dcgans() -> None:
    for network in build(config(base_channels=16, initialization="normal", head_gain=1)):
        weights = torch.cat([p.flatten() for p in network.parameters() if p.ndim == 4])
        assert weights.std().item() == pytest.approx(0.02, rel=0.02)
        assert weights.mean().item() == pytest.approx(0, abs=0.001)


def test_a_training_starts_near_grey() -> None:
    l = pictures(32, 1)  # noqa: E741
    plain, _ = build(config(head_gain=1))
    near_grey, _ = build(config(head_gain=0.05))
    ratio = near_grey(l).atanh().abs().mean() / plain(l).atanh().abs().mean()
    assert 0 < ratio < 0.2


@pytest.mark.parametrize("image_size", [32, 256])
def test_pooling_replaces_every_stride(image_size: int) -> None:
    strided, pooled = (
        Discriminator(config(image_size=image_size, downsampling=how))
        for how in ("stride", "pooling")
    )
    inputs = pictures(image_size, 1), pictures(image_size, 2)
    assert pooled(*inputs).logits.shape == strided(*inputs).logits.shape == (2, 1, 4, 4)
    generator = UNetGenerator(config(image_size=image_size, downsampling="pooling"))
    found = trace(generator, inputs[0])
    assert all(stride == 1 for kind, _, stride in found if kind == "conv 4x4")
    pools = [m for m in generator.modules() if isinstance(m, nn.MaxPool2d)]
    assert len(pools) == len(generator.encoder) - 1


def test_without_batch_normalisation_each_picture_is_coloured_by_itself() -> None:
    l = pictures(32, 1)  # noqa: E741
    for batch_norm in (True, False):
        generator, _ = build(config(batch_norm=batch_norm, head_gain=1))
        for module in generator.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        alone = torch.allclose(generator(l)[:1], generator(l[:1]), atol=1e-5)
        assert alone is not batch_norm


def test_the_slope_below_zero_is_the_configs() -> None:
    for network in build(config(leaky_slope=0.01)):
        slopes = {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)}
        assert slopes == {0.01}


@pytest.mark.parametrize(("image_size", "good", "bad"), [(32, 48, 40), (64, 96, 80)])
def test_sides_that_the_strides_do_not_divide_are_refused(
    image_size: int, good: int, bad: int
) -> None:
    generator, _ = build(config(image_size=image_size))
    assert generator(torch.zeros(2, 1, good, 2 * good)).shape == (2, 2, good, 2 * good)
    with pytest.raises(UserError, match=f"multiples of {image_size // 2}"):
        generator(torch.zeros(2, 1, good, bad))


def test_the_means_of_neighbours_of_a_gpu_and_their_gradients_are_those_of_pooling() -> None:
    maps = torch.randn(2, 3, 9, 7, dtype=torch.double).to(memory_format=torch.channels_last)
    gradient = torch.randn(2, 3, 8, 6, dtype=torch.double)
    made = []
    for function in (_PairwiseMean.apply, partial(avg_pool2d, kernel_size=2, stride=1)):
        given = maps.clone().requires_grad_(True)
        means = function(given)
        assert means.is_contiguous(memory_format=torch.channels_last)
        made.append((means.detach(), torch.autograd.grad(means, given, gradient)[0]))
    torch.testing.assert_close(made[0], made[1])
