"""Adam on PyTorch's functional form, with plain tensors as its state."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETA2, EPSILON = 0.999, 1e-8
FIELDS = ("step", "exp_avg", "exp_avg_sq")


class Adam:
    """PyTorch's fused Adam (Kingma and Ba, 2014) for a set of parameters.

    ``torch.optim.Adam`` would do the same, but imports ``torch._dynamo`` in its first step. That
    adds 3.5 s to the start of every trial's process, and each preemption costs another start.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], beta1: float) -> None:
        """Start with moments of zero.

        Args:
            parameters: all on one device, each with a gradient at every step.
            beta1: decay rate of the first moment.
        """
        self.parameters: list[Tensor] = list(parameters)
        device = self.parameters[0].device
        self._beta1 = beta1
        self._on_gpu = device.type == "cuda"
        self.rate = 0.0
        # A CUDA graph reads the rate from memory, so that each step can change it.
        self._rate_on_gpu = torch.zeros((), device=device)
        count = len(self.parameters)
        self.moments: dict[str, list[Tensor]] = {
            "step": [torch.zeros((), device=device) for _ in range(count)],
            # In the parameters' memory layout: elements are paired by memory order.
            "exp_avg": [torch.zeros_like(p.detach()) for p in self.parameters],
            "exp_avg_sq": [torch.zeros_like(p.detach()) for p in self.parameters],
        }

    def set_rate(self, lr: float) -> None:
        """Set the learning rate for the next steps."""
        self.rate = lr
        if self._on_gpu:
            self._rate_on_gpu.fill_(lr)

    def descend(self, loss: Tensor) -> None:
        """Take one optimizer step on a loss, and leave its gradients in place."""
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            adam(
                self.parameters,
                [p.grad for p in self.parameters if p.grad is not None],
                self.moments["exp_avg"],
                self.moments["exp_avg_sq"],
                [],
                self.moments["step"],
                fused=True,
                capturable=self._on_gpu,
                amsgrad=False,
                beta1=self._beta1,
                beta2=BETA2,
                lr=self._rate_on_gpu if self._on_gpu else self.rate,
                weight_decay=0.0,
                eps=EPSILON,
                maximize=False,
            )

    def state(self) -> dict[str, Tensor]:
        """Return all tensors to resume from, such as ``"0.exp_avg"`` of the first parameter."""
        return {
            f"{index}.{field}": tensor
            for field in FIELDS
            for index, tensor in enumerate(self.moments[field])
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore a ``state``.

        Raises:
            KeyError, RuntimeError: the state belongs to other parameters.
        """
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
