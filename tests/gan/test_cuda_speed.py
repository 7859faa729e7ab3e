"""How fast a GPU trains; these run where there is one that the limits are of."""

import pytest
import torch

from gan.benchmark.benchmark import bench, original_nets
from gan.benchmark.speed import Bench

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

CUDA = torch.device("cuda")


@pytest.fixture(scope="module")
def measured() -> Bench:
    if not any(name in torch.cuda.get_device_name() for name in ("H100", "H200")):
        pytest.skip("the limits are those of an H100 or H200")
    return bench(original_nets(), CUDA, rounds=3, seconds=1.0)


# The plain loop's workers are forked from a process with threads, as they are by default.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_step_of_the_original_nets_takes_at_most_3_ms(measured: Bench) -> None:
    assert measured.fast_ms <= 3
    assert measured.ratio > 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_at_most_a_tenth_of_the_time_is_spent_outside_the_networks(measured: Bench) -> None:
    assert measured.outside_share <= 0.1
