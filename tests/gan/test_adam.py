import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from gan.training.adam import Adam


def net(memory_format: torch.memory_format = torch.contiguous_format) -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Conv2d(8, 2, 3))
    return layers.to(memory_format=memory_format)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_it_is_pytorchs_adam_bit_for_bit(memory_format: torch.memory_format) -> None:
    ours = net(memory_format)
    theirs = copy.deepcopy(ours)
    adam = Adam(ours.parameters(), beta1=0.5)
    wanted = torch.optim.Adam(theirs.parameters(), lr=1e-3, betas=(0.5, 0.999), fused=True)
    for step in range(20):
        rate = 1e-3 * 0.9**step
        adam.set_rate(rate)
        wanted.param_groups[0]["lr"] = rate
        batch = torch.randn(4, 3, 8, 8)
        adam.descend((ours(batch) ** 2).mean())
        wanted.zero_grad()
        (theirs(batch) ** 2).mean().backward()
        wanted.step()
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(mine, other)


def test_a_restored_state_goes_on_as_if_nothing_had_happened() -> None:
    first = net(torch.channels_last)
    adam = Adam(first.parameters(), beta1=0.5)
    adam.set_rate(1e-2)
    batches = torch.randn(6, 4, 3, 8, 8)
    for batch in batches[:3]:
        adam.descend((first(batch) ** 2).mean())
    # A file keeps no memory layout.
    kept = {name: tensor.clone().contiguous() for name, tensor in adam.state().items()}
    second = copy.deepcopy(first)
    again = Adam(second.parameters(), beta1=0.5)
    again.set_rate(1e-2)
    again.restore(kept)
    for batch in batches[3:]:
        adam.descend((first(batch) ** 2).mean())
        again.descend((second(batch) ** 2).mean())
    for mine, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_the_state_of_other_parameters_is_refused() -> None:
    adam = Adam(net().parameters(), beta1=0.5)
    with pytest.raises(KeyError):
        adam.restore({})
    with pytest.raises(RuntimeError):
        adam.restore({name: torch.zeros(7, 7, 7) for name in adam.state()})


@pytest.mark.slow
def test_a_step_does_not_import_what_takes_seconds() -> None:
    code = (
        "import sys, torch; from gan.training.adam import Adam;"
        "net = torch.nn.Linear(2, 1); adam = Adam(net.parameters(), 0.5);"
        "adam.descend(net(torch.ones(1, 2)).sum());"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
