"""One update of both networks, queued on the device without waiting for it."""

from collections import Counter
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from gan.colour.conversion import rgb_to_l_ab
from gan.config import TrainConfig
from gan.model.networks import build
from gan.training.adam import Adam
from gan.training.batch import Batch, Draws, prepare
from gan.training.losses import Network, Term, Update, losses, real_ab, terms
from gan.training.recorded_preparation import RecordedPreparation

EAGER_STEPS = 3
"""Warm-up updates of a set of terms before its CUDA graph is recorded: during these, cuDNN, the
optimizers and the colour tables initialise themselves."""


class GanStep:
    """Both networks with their optimizers; a call updates them on a batch.

    On a GPU, an update is recorded as a CUDA graph and replayed: launching its kernels one by one
    would take the CPU longer than the GPU needs to run them. Another graph prepares the next batch
    on a stream of its own while the networks learn from this one.
    """

    def __init__(self, config: TrainConfig, total_steps: int, device: torch.device) -> None:
        """Start from the weights that the config's seed determines.

        Args:
            config: config of the trial.
            total_steps: length of the training; penalties set in after a share of it.
            device: where to train.
        """
        self.config = config
        self.total_steps = total_steps
        self.device = device
        # Only bitwise reproducible algorithms of cuDNN; the setting applies to the whole process.
        torch.backends.cudnn.deterministic = True
        generator, discriminator = build(config)
        self.generator = generator.to(device).to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(device).to(memory_format=torch.channels_last)
        self.optimizers: dict[Network, Adam] = {
            "generator": Adam(self.generator.parameters(), config.beta1),
            "discriminator": Adam(self.discriminator.parameters(), config.beta1),
        }
        self.autocast = uses_bfloat16(config, device)
        self.terms = terms(config)
        self.sums = torch.zeros(len(self.terms), device=device)
        """Sum of each term since the caller last set the sums to zero."""
        self.failed_at = torch.full((len(self.terms),), -1, device=device)
        """Step at which each term first exploded or was not finite; -1 if never."""
        self._limits = torch.tensor([term.limit for term in self.terms], device=device)
        self._step = torch.zeros((), dtype=torch.long, device=device)
        self._ahead: torch.cuda.Stream | None = None
        """Stream that prepares batches, and on which updates warm up."""
        if device.type == "cuda":
            self._ahead = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            self._ahead.wait_stream(torch.cuda.current_stream(device))
        self.forget_graphs()

    def forget_graphs(self) -> None:
        """Discard the recorded CUDA graphs; the GPU must have finished with them."""
        self._eager: Counter[tuple[Term, ...]] = Counter()
        self._graphs: dict[tuple[Term, ...], torch.cuda.CUDAGraph] = {}
        self._preparation: RecordedPreparation | None = None

    def ahead(self) -> AbstractContextManager[object]:
        """Select the stream on which the pictures of an update have to be made."""
        return nullcontext() if self._ahead is None else torch.cuda.stream(self._ahead)

    def __call__(self, rgb: Tensor, step: int, lr_factor: float) -> None:
        """Update the discriminator if due, then the generator.

        Args:
            rgb: (B, 3, H, W) in [0, 1], on the device, made within ``ahead``.
            step: number of the update, from 0.
            lr_factor: factor of both learning rates.
        """
        active = self.active_terms(step)
        draws = Draws.of(self.config, step)
        self._step.fill_(step)
        self.optimizers["generator"].set_rate(self.config.generator_lr * lr_factor)
        self.optimizers["discriminator"].set_rate(self.config.discriminator_lr * lr_factor)
        if self._ahead is None:
            self._update(self._prepared(rgb, draws), draws, active)
        elif self._eager[active] < EAGER_STEPS:
            self._eager[active] += 1
            # PyTorch requires warm-up on a side stream before recording.
            main = torch.cuda.current_stream(self.device)
            self._ahead.wait_stream(main)
            with self.ahead():
                sent = draws.mapped(lambda tensor: tensor.to(self.device, non_blocking=True))
                self._update(self._prepared(rgb, sent), sent, active)
            main.wait_stream(self._ahead)
        else:
            self._replay(self._ahead, rgb, draws, step, active)

    def active_terms(self, step: int) -> tuple[Term, ...]:
        """Return the terms that act in update ``step``."""
        discriminates = step % self.config.discriminator_every == 0
        return tuple(
            term
            for term in self.terms
            if (discriminates or term.network == "generator")
            and step >= term.first_step(self.total_steps)
        )

    def _is_over(self, active: tuple[Term, ...], step: int) -> bool:
        """Whether no update from ``step`` on has only these terms, because others have joined."""
        networks = {term.network for term in active}
        return any(
            term not in active
            and term.network in networks
            and step >= term.first_step(self.total_steps)
            for term in self.terms
        )

    def _prepared(self, rgb: Tensor, draws: Draws) -> Batch:
        return prepare(*rgb_to_l_ab(rgb), rgb, draws, self.config)

    def _replay(
        self,
        ahead: torch.cuda.Stream,
        rgb: Tensor,
        draws: Draws,
        step: int,
        active: tuple[Term, ...],
    ) -> None:
        """Replay the CUDA graphs of these terms and of their batch, recorded on first use."""
        main = torch.cuda.current_stream(self.device)
        with self.ahead():
            if self._preparation is None:
                self._preparation = RecordedPreparation(self._prepared, rgb, draws)
            self._preparation.replay(rgb, draws)
        main.wait_stream(ahead)
        batch, draws = self._preparation.taken()
        # From here on the next batch can be prepared.
        ahead.wait_stream(main)
        if active not in self._graphs:
            # First free the memory of graphs that no later step replays.
            self._graphs = {k: g for k, g in self._graphs.items() if not self._is_over(k, step)}
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._update(batch, draws, active)
            self._graphs[active] = graph
        self._graphs[active].replay()

    def _update(self, batch: Batch, draws: Draws, active: tuple[Term, ...]) -> None:
        made = {name: value.detach() for name, value in self._learn(batch, draws, active).items()}
        zero = torch.zeros((), device=self.device)
        values = torch.stack([made.get(term.name, zero) for term in self.terms])
        self.sums += values
        # False for NaN, too.
        good = values.abs() <= self._limits
        keep = good | (self.failed_at >= 0)
        self.failed_at.copy_(torch.where(keep, self.failed_at, self._step))

    def _learn(self, batch: Batch, draws: Draws, active: tuple[Term, ...]) -> dict[str, Tensor]:
        """Update both networks on a batch, and return the value of each active term."""
        with self._autocast():
            ab = self.generator(batch.l, batch.targets).float()
        made: dict[str, Tensor] = {}
        if any(term.network == "discriminator" for term in active):
            self.discriminator.requires_grad_(True)
            with self._autocast():
                real = self.discriminator(batch.l, real_ab(batch, self.config), batch.targets)
                fake = self.discriminator(batch.l, ab.detach(), batch.targets)
            update = Update(batch, draws, ab.detach(), fake, real)
            made |= self._descend("discriminator", active, update)

        self.discriminator.requires_grad_(False)
        with self._autocast():
            fake = self.discriminator(batch.l, ab, batch.targets)
        return made | self._descend("generator", active, Update(batch, draws, ab, fake))

    def _descend(
        self, network: Network, active: tuple[Term, ...], update: Update
    ) -> dict[str, Tensor]:
        made = losses(active, network, update)
        self.optimizers[network].descend(torch.stack(list(made.values())).sum())
        return made

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast)

    def failure(self) -> str | None:
        """Describe the first failure by term and step; None if none. Waits for the device."""
        failed = {
            term.name: step
            for term, step in zip(self.terms, self.failed_at.tolist(), strict=True)
            if step >= 0
        }
        if not failed:
            return None
        term = min(failed, key=lambda name: failed[name])
        return (
            f"loss/{term} was not finite, or exploded, at step {failed[term] + 1}; lower learning "
            "rates may help"
        )

    def means(self, step: int, since: int) -> dict[str, float]:
        """Return each term's mean over the updates in the sums, from ``since`` to ``step``."""
        found = {}
        for term, total in zip(self.terms, self.sums.tolist(), strict=True):
            start = max(since, term.first_step(self.total_steps))
            every = self.config.discriminator_every if term.network == "discriminator" else 1
            # Updates in [start, step): the multiples of ``every``.
            if (count := -(-step // every) - -(-start // every)) > 0:
                found[term.name] = total / count
        return found

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return all tensors needed to resume, by the part that they belong to."""
        state = {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "losses": {"sums": self.sums},
        }
        for name, optimizer in self.optimizers.items():
            state[f"{name}_optimizer"] = optimizer.state()
        return state

    def restore(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Restore a ``state``, bit for bit."""
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        for name, optimizer in self.optimizers.items():
            optimizer.restore(state[f"{name}_optimizer"])
        self.sums.copy_(state["losses"]["sums"])
        self.failed_at.fill_(-1)
        self.forget_graphs()


def uses_bfloat16(config: TrainConfig, device: torch.device) -> bool:
    """Whether the convolutions run in bfloat16: as configured, or for ``auto`` if supported.

    Without hardware support it is emulated: 10 times slower than float32 on an AVX2 processor.
    """
    if config.precision != "auto":
        return config.precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())
