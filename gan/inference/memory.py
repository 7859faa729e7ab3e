"""Lack of memory, told alike wherever it is met."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def memory_error() -> Iterator[None]:
    """Raise what PyTorch raises for lack of memory as NumPy and Pillow do.

    Raises:
        MemoryError: an allocation failed, on the CPU or a GPU.
    """
    try:
        yield
    except RuntimeError as error:
        # The CPU's allocator has no exception of its own.
        lacking = isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
        if not lacking:
            raise
        raise MemoryError(str(error)) from error
