"""Choice of the trials that a report compares, shows, and calls best. Pure functions."""

from collections import Counter
from collections.abc import Hashable, Sequence
from statistics import mean
from typing import Any, TypeVar

from gan.control import ControlName
from reports.phase import TrialPhase
from reports.rows import Way, metric, shown_setting, span
from reports.runs import TrialRun

T = TypeVar("T")
BEST = (
    "of several settings that were steered to the same targets on the same pictures, the finished "
    "one with the smallest error of an image, on average over its seeds (over several controls the "
    "mean, in parts of their ranges); the smaller MAE where that is equal"
)
"""Rule that chooses the best trials of a target, in words for the reader."""
CHOICE = (
    "of those that differ in their seed alone one, and where that is still too many the best of "
    "each target, evenly chosen"
)
"""Rule of ``shown_trials``, in words for the reader."""


def in_order(runs: Sequence[TrialRun]) -> list[TrialRun]:
    """Move each recoloured trial behind the last one that was steered to the same targets."""
    steered = {_comparison(run): i for i, run in enumerate(runs) if not run.config.recolour}

    def place(item: tuple[int, TrialRun]) -> tuple[int, int]:
        i, run = item
        return (steered.get(_comparison(run), len(runs)) if run.config.recolour else i, i)

    return [run for _, run in sorted(enumerate(runs), key=place)]


def recoloured_beside(run: TrialRun, runs: Sequence[TrialRun]) -> TrialRun | None:
    """Return the baseline recoloured to the targets that a trial was steered to.

    Prefer its own baseline; otherwise take another one of its sweep on the same pictures.
    """
    if run.config.recolour or not run.config.controls:
        return None
    same = [
        other
        for other in runs
        if other.config.recolour
        and (other.sweep, other.pictures_key) == (run.sweep, run.pictures_key)
        and targets_of(other) == targets_of(run)
    ]
    same.sort(key=lambda other: other.config.seed != run.config.seed)
    own = (other for other in same if _comparison(other) == _comparison(run))
    return next(own, next(iter(same), None))


def _comparison(run: TrialRun) -> object:
    """Return a key shared by the trials with the same sweep, baseline and targets."""
    return run.sweep, run.config.without_control().key(), targets_of(run)


def targets_of(run: TrialRun) -> tuple[tuple[ControlName, float | None], ...]:
    """Return the name and sigma of each control; sigma is None for any target."""
    controls = run.config.controls.items()
    return tuple((name, None if c.is_any else c.wanted) for name, c in controls)


def differences(runs: Sequence[TrialRun]) -> list[str]:
    """Describe how each trial differs from others of its sweep with the same targets, in order.

    For example "λ 50, seed 1"; empty if no other trial has these targets. Views of any-target
    trials are compared only with each other.
    """
    alike: dict[Hashable, list[int]] = {}
    for i, run in enumerate(runs):
        group = (run.sweep, targets_of(run), run.config.recolour, run.whole is not None)
        alike.setdefault(group, []).append(i)
    told = [""] * len(runs)
    for places in alike.values():
        settings = [settings_of(runs[i]) | {"seed": runs[i].config.seed} for i in places]
        varied = [name for name in settings[0] if len({str(s[name]) for s in settings}) > 1]
        controls = [*runs[places[0]].config.controls]
        only = f" of {controls[0]}" if len(controls) == 1 else ""
        for i, each in zip(places, settings, strict=True):
            told[i] = ", ".join(
                f"{name.removesuffix(only)} {shown_setting(each[name])}" for name in varied
            )
    return told


def settings_of(run: TrialRun) -> dict[str, Any]:
    """Return all settings that distinguish trials, except the seed, by a readable name."""
    flat: dict[str, Any] = {}
    for name, control in run.config.controls.items():
        flat |= {f"wanted {name}": control.target, f"λ of {name}": control.weight}
        if (trained := run.origin.config.controls[name]).is_any:
            flat[f"range of {name}"] = "{:g} to {:g}".format(*trained.bounds(name))
            held = ", ".join(f"{low:g} to {high:g}" for low, high in trained.hold_out)
            flat[f"{name} held out:"] = held or "none"
    aside = {"controls", "seed", "recolour", "eval_targets"}
    settings = run.config.model_dump(mode="json", exclude=aside)
    return flat | {k: str(v) if isinstance(v, list) else v for k, v in settings.items()}


def control_error(run: TrialRun, way: Way = "raw") -> float | None:
    """Return the mean |achieved - target| of the held-out images, as a share of the range.

    Averaged over the controls; None without controls, or before an evaluation.

    Args:
        run: run of a trial; for an any-target trial the result is the mean over its targets.
        way: which outputs.
    """
    found = [
        value / span(name)
        for name in run.config.controls
        if (value := metric(run, f"{name}_error", way)) is not None
    ]
    return mean(found) if found else None


def best_of_targets(runs: Sequence[TrialRun]) -> list[TrialRun]:
    """Choose the best of the trials steered to the same targets, by the rule ``BEST``.

    Trials that differ in their seed alone are best together.
    """
    rivals: dict[Hashable, dict[Hashable, list[TrialRun]]] = {}
    for run in runs:
        steered = run.config.controls and not run.config.recolour
        if run.phase is TrialPhase.FINISHED and steered and run.measured:
            seeds = rivals.setdefault((run.pictures_key, targets_of(run)), {})
            # An equal trial of another sweep, as a taken-over one, is no rival.
            seeds.setdefault(same_recipe(run), []).append(run)
    best = (min(these.values(), key=_rank) for these in rivals.values() if len(these) > 1)
    return [run for seeds in best for run in seeds]


def same_recipe(run: TrialRun) -> tuple[str, int, str]:
    """Return what trials that differ in seed or sweep alone have in common."""
    return run.recipe_key, run.total_steps, run.pictures_key


def _rank(seeds: Sequence[TrialRun]) -> tuple[float, float]:
    infinite = float("inf")
    errors = [control_error(run) for run in seeds]
    error = mean(infinite if value is None else value for value in errors)
    return error, mean(run.metrics.get("eval/mae", infinite) for run in seeds)


def best_suited(runs: Sequence[TrialRun]) -> TrialRun | None:
    """Choose the any-target trial that best shows what is possible; None if there is none.

    Criteria, in this order: finished, fewest controls, most natural after exact control (KID, else
    JS), nearest to its targets.
    """

    def rank(run: TrialRun) -> tuple[bool, int, list[float]]:
        values = [metric(run, name, "exact") for name in ("kid", "js_divergence")]
        order = [float("inf") if v is None else v for v in (*values, control_error(run))]
        return run.phase is not TrialPhase.FINISHED, len(run.config.controls), order

    return min((run for run in runs if run.config.any_controls), key=rank, default=None)


def shown_seed(runs: Sequence[TrialRun]) -> int | None:
    """Choose the seed of the pictures that stand side by side: the one that most trials finished.

    Returns:
        The seed; the first of equals. None if the steered trials and the baseline have one seed.
    """
    trained = [run for run in runs if not run.config.recolour]
    seeds = Counter({run.config.seed: 0 for run in trained})
    seeds.update(run.config.seed for run in trained if run.phase is TrialPhase.FINISHED)
    return seeds.most_common(1)[0][0] if len(seeds) > 1 else None


def shown_trials(runs: Sequence[TrialRun], best: Sequence[TrialRun], most: int) -> list[TrialRun]:
    """Choose the trials whose pictures a report shows side by side.

    They are chosen by the rule ``CHOICE``, of ``shown_seed`` wherever there is a trial of it, and
    sorted by controls (fewest first), then by targets (any target first).

    Args:
        runs: measured trials; recoloured ones are not chosen, but accompany the others.
        best: best trial or view of each target that has several.
        most: maximum number of trials.
    """
    seed = shown_seed(runs)

    def rank(run: TrialRun) -> tuple[bool, bool]:
        return seed not in (None, run.config.seed), run.phase is not TrialPhase.FINISHED

    first: dict[Hashable, TrialRun] = {}
    for run in sorted(runs, key=rank):
        if not run.config.recolour:
            first.setdefault(same_recipe(run), run)
    chosen = list(first.values())
    if len(chosen) > most:
        of_target: dict[Hashable, TrialRun] = {}
        ahead = {id(run.origin) for run in best}
        for run in sorted(chosen, key=lambda run: id(run) not in ahead):
            of_target.setdefault((run.pictures_key, targets_of(run)), run)
        chosen = list(of_target.values())
    controls = list(dict.fromkeys(tuple(run.config.controls) for run in chosen))
    controls.sort(key=len)
    place = {id(run): i for i, run in enumerate(runs)}

    def order(run: TrialRun) -> tuple[int, list[tuple[bool, float]], int]:
        targets = [(value is not None, value or 0.0) for _, value in targets_of(run)]
        return controls.index(tuple(run.config.controls)), targets, place[id(run)]

    return spread(sorted(chosen, key=order), most)


def evenly(things: Sequence[T], most: int) -> list[T]:
    """Take up to ``most`` items including the first and last, equally spaced where possible.

    Equal spacing has to keep more than half of ``most``: nine items and 6 give every second item.
    """
    last = len(things) - 1
    for count in range(min(most, len(things)), most // 2, -1):
        if count > 1 and last % (count - 1) == 0:
            return [*things[:: last // (count - 1)]]
    return spread(things, most)


def spread(things: Sequence[T], most: int) -> list[T]:
    """Take up to ``most`` items including the first and last, spaced as evenly as possible."""
    if len(things) <= most:
        return list(things)
    return [things[round(i * (len(things) - 1) / max(1, most - 1))] for i in range(most)]
