"""Numbers of a GPU, which are those of the CPU; these run wherever there is a GPU."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gan.benchmark.plain_loop import PlainLoop
from gan.colour.conversion import rgb_to_l_ab
from gan.evaluation.evaluate import evaluate
from gan.evaluation.held_out import HeldOut
from gan.evaluation.reference import Natural
from gan.model.mean_of_2x2 import MeanOf2x2
from gan.training.distribution import window_means
from gan.training.trainer import Trainer
from tests.support.reachable import search_as_on_a_gpu

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
    pytest.mark.usefixtures("exact_convolutions"),
]

CPU, CUDA = torch.device("cpu"), torch.device("cuda")

Start = Callable[..., Trainer]


def step_losses(of: Trainer) -> dict[str, float]:
    before = of.training.step
    of.training.gan.sums.zero_()
    of.training.train_step()
    return of.training.gan.means(of.training.step, before)


@pytest.mark.parametrize("of_all", [False, True])
def test_an_evaluation_is_that_of_the_cpu(
    on_gpu: Start, monkeypatch: pytest.MonkeyPatch, of_all: bool
) -> None:
    # With the same search on both: where a picture has its target at two places, a bisection that
    # tries one place at a time may find the other. And with one target: of two, the search may
    # hang on a rounding.
    search_as_on_a_gpu(monkeypatch)
    trainer = on_gpu(**({"controls": {"saturation": {"target": 0.5}}} if of_all else {}))
    for _ in range(10):
        trainer.training.train_step()
    config, there = trainer.training.config, trainer.training.held_out
    here = HeldOut.of(there.rgb.cpu(), there.photograph)
    generator = trainer.training.gan.generator
    found = evaluate(
        generator, there, config, Natural(lambda: there.rgb) if of_all else None
    ).metrics
    wanted = evaluate(
        generator.to(CPU), here, config, Natural(lambda: here.rgb) if of_all else None
    ).metrics
    # Shares of pixels within a colour difference step by a pixel of 12 * 32 * 32. The lattice's
    # amplitude is the root of a difference.
    roots = [
        (of.pop(name), name) for of in (found, wanted) for name in list(of) if "lattice_a" in name
    ]
    assert found == pytest.approx(wanted, rel=1e-3, abs=1e-3)
    assert len(roots) == (4 if of_all else 0)


def test_50_recorded_steps_have_the_losses_of_the_plain_loop(on_gpu: Start) -> None:
    # Without dropout, which draws in memory order, and control (see test_gan_bench).
    trainer = on_gpu(precision="float32", controls={})
    plain = PlainLoop(trainer.training.config, torch.zeros(16, 32, 32, 3, dtype=torch.uint8), CUDA)
    for module in itertools.chain(
        trainer.training.gan.generator.modules(), plain.generator.modules()
    ):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for number in range(50):
        rgb = trainer.training.batches.at(number)
        wanted = plain.update(*(x.contiguous() for x in (*rgb_to_l_ab(rgb), rgb)))
        assert step_losses(trainer) == pytest.approx(wanted, rel=3e-3)


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        (MeanOf2x2(), torch.float32),
        (MeanOf2x2(), torch.bfloat16),
        (lambda maps: window_means(maps, 8), torch.float32),
        (lambda maps: window_means(maps, 32), torch.float32),
    ],
    ids=["2x2", "2x2 in bfloat16", "8x8", "whole"],
)
def test_means_of_pixels_and_their_gradients_are_those_of_the_cpu(
    function: Callable[[Tensor], Tensor], dtype: torch.dtype
) -> None:
    maps = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(dtype)
    maps = maps.to(memory_format=torch.channels_last)
    made = []
    for device in (CPU, CUDA):
        given = maps.to(device, copy=True).requires_grad_(True)
        means = function(given)
        means.square().sum().backward()  # type: ignore[no-untyped-call]
        assert given.grad is not None
        made.append((means.detach().cpu(), given.grad.cpu()))
    # Sums of four numbers of 8 bits, below 4, are rounded in another order.
    atol, rtol = (2**-6, 0.0) if dtype == torch.bfloat16 else (1e-5, 1.3e-6)
    torch.testing.assert_close(made[1], made[0], atol=atol, rtol=rtol)
