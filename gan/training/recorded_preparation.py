"""CUDA graph that prepares batches, one ahead of the networks."""

from collections.abc import Callable

import torch
from torch import Tensor

from gan.training.batch import Batch, Draws


class RecordedPreparation:
    """Preparation of a batch, recorded as a CUDA graph on the current stream.

    Moving pictures to their targets takes many small kernels, one after the other. On a stream of
    its own, this leaves room on the GPU for the networks, which learn from the batch before. It
    must draw nothing on the GPU: PyTorch then leaves the seed alone that their dropout reads.
    """

    def __init__(
        self, prepare: Callable[[Tensor, Draws], Batch], rgb: Tensor, draws: Draws
    ) -> None:
        """Record ``prepare``, which must have run before.

        Args:
            prepare: function of pictures and draws on the device.
            rgb: (B, 3, H, W) on the device, for its shape.
            draws: on the CPU, for their shapes.
        """
        self._rgb = rgb.clone()
        self._draws = draws.mapped(lambda tensor: tensor.to(rgb.device, copy=True))
        self._graph = torch.cuda.CUDAGraph()
        # On this stream: cuBLAS has a workspace for each; the networks' graphs must not share it.
        with torch.cuda.graph(self._graph, stream=torch.cuda.current_stream(rgb.device)):
            self._batch = prepare(self._rgb, self._draws)
        self._taken = self._batch.mapped(torch.clone), self._draws.mapped(torch.clone)

    def replay(self, rgb: Tensor, draws: Draws) -> None:
        """Prepare the batch of these pictures (B, 3, H, W), on the current stream."""
        self._rgb.copy_(rgb)
        _copy(self._draws.tensors(), draws.tensors())
        self._graph.replay()

    def taken(self) -> tuple[Batch, Draws]:
        """Copy the batch and its draws, on the current stream, to where an update reads them."""
        batch, draws = self._taken
        _copy(batch.tensors() + draws.tensors(), self._batch.tensors() + self._draws.tensors())
        return self._taken


def _copy(to: list[Tensor], of: list[Tensor]) -> None:
    for held, new in zip(to, of, strict=True):
        held.copy_(new, non_blocking=True)
