"""Colour arithmetic and fitted pictures on a GPU; these run wherever there is one."""

import pytest
import torch

from gan.colour.conversion import l_ab_to_rgb, rgb_to_l_ab
from gan.colour.exact_control import fit
from gan.colour.statistics import STATISTICS
from gan.control import TARGET_RANGES, ControlName

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
    pytest.mark.usefixtures("exact_convolutions"),
]

CUDA = torch.device("cuda")
CONVOLUTIONS = torch.backends.cudnn.conv  # type: ignore[attr-defined]


def test_colours_are_those_of_the_cpu_also_where_convolutions_use_tf32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CONVOLUTIONS, "fp32_precision", "tf32")
    rgb = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    wanted, found = rgb_to_l_ab(rgb), rgb_to_l_ab(rgb.to(CUDA))
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours.cpu(), theirs, atol=5e-5, rtol=0)  # TF32: 7e-4
    back = l_ab_to_rgb(*found).cpu()
    torch.testing.assert_close(back, rgb, atol=1e-3, rtol=0)
    torch.testing.assert_close(back, l_ab_to_rgb(*wanted), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", STATISTICS)
def test_a_recorded_graph_fits_pictures_as_the_cpu_does(name: ControlName) -> None:
    random = torch.Generator().manual_seed(0)
    rgb = torch.rand(4, 3, 8, 8, generator=random).repeat_interleave(4, 2).repeat_interleave(4, 3)
    low, high = TARGET_RANGES[name]
    target = low + (high - low) * torch.tensor([0.45, 0.5, 0.55, 0.6])
    wanted = fit(*rgb_to_l_ab(rgb), {name: target})
    l, ab = rgb_to_l_ab(rgb.to(CUDA))  # noqa: E741
    targets = {name: target.to(CUDA)}
    eager = fit(l, ab, targets)  # its tables are made once
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        recorded = fit(l, ab, targets)
    graph.replay()
    assert torch.equal(recorded, eager)
    assert (recorded.cpu() - wanted).abs().mean() < 2e-3
