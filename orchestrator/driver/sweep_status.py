"""Status of a sweep's trials, from the files of their directories alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gan.data.identity import of_other_pictures
from orchestrator.driver.trial_table import TrialRow
from orchestrator.store.attempts import Attempt, goodput, restarts, wasted_steps
from orchestrator.store.lock import is_locked
from orchestrator.store.manifest import launched_trials
from orchestrator.store.paths import sweep_directory
from orchestrator.store.trial_state import TrialState, state_of
from orchestrator.sweep.trials import Trial
from reports.names import shown_names
from reports.phase import TrialPhase
from reports.runs import is_measured


@dataclass(frozen=True)
class ControlStatus:
    """Control of a trial as of its last evaluation."""

    name: str
    wanted: float | None
    """Target; None if it is an input of the generator."""
    achieved: float | None
    """Statistic of the held-out images; None before the first evaluation."""
    error: float | None
    """Distance between achieved and wanted, the mean over the held-out images."""


@dataclass(frozen=True)
class TrialStatus:
    """Trial as one line of the status."""

    name: str
    """Name in the sweep's file, by which ``stop`` and ``--run`` find it."""
    key: str
    phase: TrialPhase
    step: int
    """Newest step that its process has reported if one trains it, else ``durable_step``."""
    durable_step: int
    """Step of the newest sound checkpoint, from which a launch would go on."""
    total_steps: int | None
    """Length; like the steps before 0 for a recoloured trial, whose training is its baseline's."""
    epoch: float
    """Epochs trained, as of ``step``."""
    images_per_second: float | None
    """Rate of its steps; None if nothing trains it."""
    seconds_left: float | None
    """Time left at that rate, without evaluations; None if nothing trains it."""
    controls: list[ControlStatus]
    generator_loss: float | None
    """Sum of the generator's losses in the newest sound checkpoint."""
    discriminator_loss: float | None
    metrics: dict[str, float]
    """Newest value of every metric in the newest sound checkpoint."""
    seen: float | None
    """Time when its process was last alive, in seconds since the epoch."""
    restarts: int
    """Number of restarts after a death."""
    wasted_steps: int
    """Number of steps that were lost and repeated."""
    goodput: float | None
    """Share of the trial's time on workers that was spent on steps that counted."""
    checkpoint_share: float | None
    """Share of the trial's training time that checkpoints took."""
    reason: str
    """Reason why the trial failed or was pruned."""
    taken_over_from: str | None
    """Sweep that it was taken over from, and the step up to which it was, if not to its end."""
    other_pictures: bool
    """Whether most of the sweep's trials of this dataset and path had other pictures."""


@dataclass(frozen=True)
class SweepStatus:
    """Status of a sweep's trials, with totals."""

    sweep: str
    goodput: float | None
    """Goodput of all trained trials; recoloured trials take no steps."""
    checkpoint_share: float | None
    """Share of the same trials' training time that checkpoints took."""
    trials: list[TrialStatus]


@dataclass(frozen=True)
class SweepReading:
    """Sweep as read at one moment: its status, and the rows of its table."""

    status: SweepStatus
    rows: dict[str, TrialRow]
    """By key, with the names that are shown."""


def read_status(runs: Path, sweep: str, *, is_held: bool | None = None) -> SweepReading:
    """Read every trial of a sweep's last launch; one that died restarts if the sweep ``is_held``.

    By default only a launch on this machine, or in a shared directory, is known to hold it.

    Raises:
        UserError: the sweep does not exist; the message lists those that do.
    """
    trials = launched_trials(runs, sweep)
    directory = sweep_directory(runs, sweep)
    held = bool(is_locked(directory) if is_held is None else is_held)
    states = [state_of(trial, directory / trial.key, is_held=held) for trial in trials]
    pairs = list(zip(trials, states, strict=True))
    trained = [[*state.attempts] for trial, state in pairs if not trial.config.recolour]
    every = (attempt for log in trained for attempt in log)
    others = of_other_pictures([(trial.config, state.dataset_digest) for trial, state in pairs])
    rows = {trial.key: _row(trial, state) for trial, state in pairs}
    lines = [
        _line(rows[trial.key], trial.key, state, other)
        for (trial, state), other in zip(pairs, others, strict=True)
    ]
    names = shown_names([trial.name for trial in trials], [trial.config for trial in trials])
    for row, name in zip(rows.values(), names, strict=True):
        row.name = name
    status = SweepStatus(sweep, goodput(trained), _checkpoint_share(every), lines)
    return SweepReading(status, rows)


def _row(trial: Trial, state: TrialState) -> TrialRow:
    """Return the row of a trial; while a process trains it, its log is newer than a checkpoint."""
    log = [*state.attempts]
    last = log[-1] if log else None
    row = TrialRow(
        name=trial.name,
        config=trial.config,
        phase=state.phase,
        step=state.step,
        total_steps=state.total_steps or (last.total_steps if last else None),
        epoch=state.epoch,
        metrics={name: value for name, value in state.metrics.items() if is_measured(value)},
        reason=state.reason,
        seen=last.seen if last else None,
        restarts=restarts(log),
        wasted_steps=sum(wasted_steps(log)),
        goodput=goodput([log]),
    )
    if last is not None and state.phase is TrialPhase.RUNNING:
        row.step, row.epoch = max((row.step, row.epoch), (last.step, last.epoch))
        row.images_per_second, row.measuring = last.images_per_second, last.measuring
    return row


def _line(row: TrialRow, key: str, state: TrialState, other_pictures: bool) -> TrialStatus:
    own, running = row.own_steps, row.phase is TrialPhase.RUNNING
    generator_loss, discriminator_loss = row.losses or (None, None)
    return TrialStatus(
        name=row.name,
        key=key,
        phase=row.phase,
        step=row.step if own else 0,
        durable_step=state.step if own else 0,
        total_steps=row.total_steps if own else 0,
        epoch=row.epoch if own else 0.0,
        images_per_second=row.images_per_second if running else None,
        seconds_left=row.seconds_left,
        controls=_controls(row),
        generator_loss=generator_loss,
        discriminator_loss=discriminator_loss,
        metrics=row.metrics,
        seen=row.seen,
        restarts=row.restarts,
        wasted_steps=row.wasted_steps,
        goodput=row.goodput,
        checkpoint_share=_checkpoint_share(state.attempts),
        reason=row.reason,
        taken_over_from=state.taken_over_from,
        other_pictures=other_pictures,
    )


def _controls(row: TrialRow) -> list[ControlStatus]:
    found = []
    for name in row.controls:
        control = row.config.controls[name]
        values = [row.metrics.get(f"eval/{name}"), row.metrics.get(f"eval/{name}_error")]
        found.append(ControlStatus(name, None if control.is_any else control.wanted, *values))
    return found


def _checkpoint_share(log: Iterable[Attempt]) -> float | None:
    log = list(log)
    training = sum(attempt.counted + attempt.checkpoints for attempt in log)
    return sum(attempt.checkpoints for attempt in log) / training if training else None
