import pytest
import torch

from gan.inference.memory import memory_error


def test_pytorch_lacks_memory_like_numpy() -> None:
    with pytest.raises(MemoryError), memory_error():
        torch.empty(2**50)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="must match"), memory_error():
        torch.zeros(2) + torch.zeros(3)
