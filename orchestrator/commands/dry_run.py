"""Dry run of ``launch``: trials, time and cost, without starting anything."""

import json
import statistics
from dataclasses import asdict, dataclass

from rich.console import Console

from gan.data.identity import source_of
from gan.plain_text import command_line
from orchestrator.commands.plan_table import plan_table
from orchestrator.driver.pictures import (
    OWN,
    cannot_go_on,
    compared,
    digest_of_loaded,
    kept_back,
    other_pictures,
)
from orchestrator.driver.take_over import nothing_new, take_over
from orchestrator.store.manifest import changes, names_of, read_manifest
from orchestrator.store.sweep_store import SweepStore
from orchestrator.store.trial_state import TrialState, states_of
from orchestrator.sweep.dataset_check import check_datasets
from orchestrator.sweep.search_space import chosen_before, to_suggest
from orchestrator.sweep.sweep_spec import SweepSpec
from orchestrator.sweep.trials import Trial, grid_baselines, stand_ins, without_baseline
from reports.phase import TrialPhase, counted
from reports.runs import own_steps
from reports.tables import duration


@dataclass(frozen=True)
class Planned:
    """Trial as one line of the dry run."""

    name: str
    key: str
    phase: TrialPhase
    step: int
    """Step at which training would start or resume."""
    steps: int
    """Steps to train in all; 0 for a recoloured trial, whose training is its baseline's."""
    epochs: float
    batch_size: int
    base_channels: int
    image_size: int
    data: str
    """Dataset name, with the numbers of training and held-out images."""
    seconds: float | None
    """Time left, from the speed of this sweep's trials of the same kind; None if unmeasured. 0 if a
    launch does not train it, as its pictures were replaced. Of a recoloured trial, that of its
    evaluation."""
    taken_over_from: str | None
    """Sweep that it was, or would be, taken over from, and the step if not to its end."""


@dataclass(frozen=True)
class Plan:
    """Trials of a launch, with their estimated time and cost."""

    sweep: str
    trials: list[Planned]
    slots: int
    """Number of trials that would run in parallel on this machine."""
    seconds: float | None
    """Time left if all trials run one after another; None if one is unmeasured. Recoloured ones
    that are unmeasured are left out."""
    seconds_at_once: float | None
    gpu_hours: float | None
    cost: float | None
    """Cost of the time left on workers."""
    to_suggest: int
    """Number of trials still to be chosen; their time is that at the high end of every
    dimension."""
    space: dict[str, str]
    """Ranges and choices of the search, in words."""
    lost_to_a_preemption: float
    """Seconds of a trial's work that a preemption costs at most; with notice only one step."""
    baselines: list[str]
    """Remarks on the baselines, in a few lines."""
    changes: list[str]
    """Trials taken over from other sweeps, differences from the last launch, and trials of other
    pictures, in a few lines."""


def plan_launch(
    spec: SweepSpec,
    trials: list[Trial],
    store: SweepStore,
    price: float | None,
    console: Console,
    *,
    fresh: bool = False,
) -> Plan:
    """Predict a launch from the state of every trial and the measured speed of the sweep.

    ``trials`` are those that the file names, ``price`` is that of one hour of one trial, if known,
    and ``console`` receives warnings about single pictures. With ``fresh`` nothing would be taken
    over from other sweeps.

    Raises:
        UserError: a dataset cannot be used.
    """
    # torch takes seconds to import.
    import torch

    from gan.training.session import CHECKPOINT_SECONDS
    from orchestrator.driver.estimate import at_once, kind_of, slots_here

    before = read_manifest(store.directory)
    fixed, chosen = trials, chosen_before(spec, trials, before)
    trials = [*fixed, *chosen]
    coming = stand_ins(spec, to_suggest(spec, chosen))
    images = check_datasets([*trials, *coming], console)
    own = [trial.config for trial in trials if trial.config.dataset in OWN]
    digests = {source_of(config): digest_of_loaded(config) for config in own}
    states = compared(trials, states_of(spec, trials, store.root), digests)
    taken = nothing_new(trials, states) if fresh else take_over(trials, states, store, dry_run=True)
    states |= taken.states
    speeds: dict[tuple[object, ...], list[float]] = {}
    for trial in trials:
        of = _seconds_a_target if trial.config.recolour else _seconds_a_step
        if speed := of(trial, states[trial.key]):
            kind = trial.config.recolour, *kind_of(trial.config)
            speeds.setdefault(kind, []).append(speed)
    typical = {kind: statistics.median(found) for kind, found in speeds.items()}
    begun = [(t, states[t.key]) for t in trials] + [(t, TrialState()) for t in coming]
    everything = [
        _planned(t, state, images[t.key], typical.get((t.config.recolour, *kind_of(t.config))))
        for t, state in begun
    ]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    slots = slots_here(spec.resources, device)
    known = [row.seconds for row in everything if row.seconds is not None]
    unknown = {
        t.config.recolour for (t, _), r in zip(begun, everything, strict=True) if r.seconds is None
    }
    whole = None if False in unknown else sum(known)
    gpus = spec.resources.gpus_per_trial
    share = float(device.type == "cuda") if gpus is None else gpus
    return Plan(
        sweep=spec.name,
        trials=everything[: len(trials)],
        slots=slots,
        seconds=whole,
        seconds_at_once=None if whole is None else at_once(known, slots),
        gpu_hours=None if whole is None else whole * share / 3600,
        cost=None if whole is None or price is None else whole / 3600 * price,
        to_suggest=len(coming),
        space={name: str(each) for name, each in spec.search.over.items()} if spec.search else {},
        lost_to_a_preemption=CHECKPOINT_SECONDS,
        baselines=_baselines(spec, fixed),
        changes=[
            *taken.lines,
            *(changes(before, trials, states) if before else []),
            *taken.refusals,
            *other_pictures(trials, states),
            *cannot_go_on(kept_back(trials, states)),
        ],
    )


def _baselines(spec: SweepSpec, trials: list[Trial]) -> list[str]:
    vary, found = grid_baselines(spec)
    each = " and ".join(vary)
    lines = [f"{len(found)} baselines of the grid, one for each {each}"] if vary else []
    if without := without_baseline(trials):
        lines.append(
            f"no baseline, and so no rival, of the settings of {names_of(without)}; a point with "
            "these settings and no control would be one"
        )
    return lines


def _seconds_a_target(trial: Trial, state: TrialState) -> float | None:
    """Return the time on the worker for each target that a finished recoloured trial measured."""
    last = state.attempts[-1] if state.attempts else None
    if last is None or last.ended is not TrialPhase.FINISHED or last.step > last.from_step:
        return None  # it trained steps that its baseline has not
    return last.seconds / len(trial.config.measured_targets())


def _seconds_a_step(_trial: Trial, state: TrialState) -> float | None:
    """Return the mean seconds per step of all attempts, with evaluations and checkpoints.

    Of a trial whose steps were taken in another sweep, it is without checkpoints.
    """
    steps = sum(attempt.step - attempt.from_step for attempt in state.attempts)
    if steps > 0:
        return sum(a.counted + a.checkpoints for a in state.attempts) / steps
    return state.seconds / state.step if state.lineage is not None else None


def _planned(
    trial: Trial, found: TrialState, images: tuple[int, int], speed: float | None
) -> Planned:
    config = trial.config
    steps = config.total_steps(images[0])
    left = max(0, steps - found.step) if found.is_to_train else 0
    if found.is_to_train and config.recolour:  # it reuses its baseline's training
        left = len(config.measured_targets())
    own = own_steps(config, found.phase, found.step, steps)
    return Planned(
        name=trial.name,
        key=trial.key,
        phase=found.phase,
        step=found.step if own else 0,
        steps=steps if own else 0,
        epochs=steps * config.batch_size / images[0] if own else 0.0,
        batch_size=config.batch_size,
        base_channels=config.base_channels,
        image_size=config.image_size,
        data=f"{config.dataset} {images[0]}+{images[1]}",
        seconds=0.0 if not left else None if speed is None else left * speed,
        taken_over_from=found.taken_over_from,
    )


def print_plan(plan: Plan, spec: SweepSpec, console: Console) -> None:
    """Print a line for each trial, the resources of a trial, and the work left."""
    table, words = plan_table(plan.trials, console.width)
    console.print(table)
    for line in words:
        console.print(line)
    resources = spec.resources
    gpus = "1 GPU (if there is one)"
    if resources.gpus_per_trial is not None:
        gpus = f"{resources.gpus_per_trial:g} GPU"
    console.print(f"each trial: {resources.cpus_per_trial} CPU, {gpus}")
    console.print(counted(row.phase for row in plan.trials))
    if plan.space:
        console.print(f"{plan.to_suggest} more to be chosen by the search, over")
    for name, values in plan.space.items():
        console.print(f"  {name}: {values}", soft_wrap=True)
    bench = command_line(["colorsweep", "bench", str(spec.path)])
    for line in [*plan.baselines, *plan.changes, *_lines_of_time(plan, bench)]:
        console.print(line, soft_wrap=True)


def _lines_of_time(plan: Plan, bench: str) -> list[str]:
    if plan.seconds is None or plan.seconds_at_once is None:
        return [f"time left: unmeasured; {bench} estimates it"]
    time = f"time left: {duration(plan.seconds)} of trials"
    if any(row.seconds is None for row in plan.trials):
        time += ", recolouring aside"
    lines = [f"{time}; {duration(plan.seconds_at_once)} with {plan.slots} at once on this machine"]
    if plan.gpu_hours:
        lines.append(f"GPU hours: {plan.gpu_hours:.1f}")
    if plan.cost is not None:
        lines.append(f"cost: {plan.cost:.2f}")
    lines.append(
        f"a preemption loses at most {plan.lost_to_a_preemption:g} s of a trial's work (more only "
        "where a checkpoint takes long), with a notice one step"
    )
    return lines


def plan_json(plan: Plan) -> str:
    """Return the plan as JSON."""
    return json.dumps(asdict(plan), indent=1)
