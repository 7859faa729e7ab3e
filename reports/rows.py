"""Trials as rows of a report. Pure functions."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gan.control import CONTROLS, TARGET_RANGES, Control, ControlName
from gan.evaluation.metric_names import EXACT_PREFIX, label_of
from reports import names
from reports.command import as_trained, train_command
from reports.phase import TrialPhase
from reports.runs import TrialRun, own_steps
from reports.views import numbers

Settings = tuple[tuple[str, str | float | None], ...]
"""Names and values."""
Way = Literal["raw", "exact"]
"""Outputs that are measured: the generator's own (raw), or those after exact control."""


@dataclass(frozen=True)
class Row:
    """One control of one trial, measured one way; a trial without control has one such row.

    An any-target trial has such rows for each target at which it is measured. Values, targets and
    errors of a control are in the statistic's own unit.
    """

    sweep: str
    trial: str
    """Name of the trial; for a view, with its target (``reports.views``)."""
    training: str
    """Name of the trial that was trained."""
    key: str
    phase: TrialPhase
    reason: str
    """Reason for a failure, or for being stopped by a scheduler."""
    recoloured: bool
    """Whether outputs of a baseline were moved to the targets, instead of training with control."""
    any_target: bool
    """Whether the generator takes the target as an input."""
    way: Way
    """Outputs measured: raw, or after exact control; always the latter for a recoloured trial."""
    recipe_key: str
    """Key shared by the trials at the same targets that differ only in their seed."""
    pictures_key: str
    """Key shared by the trials measured on the same held-out images."""
    other_pictures: bool
    """Whether most trials of the same dataset and path had other pictures than this one."""
    targets: str
    """Targets of all controls, such as "hue 0.6 saturation 0.35"."""
    best: bool
    """Whether it is the best of several trials steered to the same targets."""
    control: ControlName | None
    target: float | None
    """sigma; hue in turns."""
    weight: float | None
    """lambda; None if nothing was steered in training."""
    achieved: float | None
    """Mean of the statistic over the held-out images; circular for hue."""
    p10: float | None
    """10th percentile of the statistic over the held-out images; hue is unwrapped at the target."""
    p90: float | None
    error: float | None
    """Mean over the held-out images of |achieved - target|; around the circle for hue."""
    error_low: float | None
    """Lower end of its 95 % interval, by bootstrap over photographs."""
    error_high: float | None
    error_p90: float | None
    """90th percentile of that error over the held-out images."""
    reachable: float | None
    """Mean over the held-out images of the nearest value to the target that their L allows."""
    reachable_error: float | None
    """Mean distance of each image from its own reachable value."""
    reachable_error_p90: float | None
    lowest: float | None
    """Mean over the held-out images of the lowest value that their L allows; None for hue."""
    highest: float | None
    crosstalk: float | None
    """Mean distance of the uncontrolled statistics from the originals' values, as a share of each
    statistic's range, averaged over these statistics."""
    mae: float | None
    """Mean absolute difference from the originals' RGB, in [0, 1]."""
    psnr: float | None
    """dB."""
    ssim: float | None
    ciede2000: float | None
    accuracy_2: float | None
    """Share of pixels within 2 % of the original in L, a and b."""
    accuracy_5: float | None
    fid: float | None
    colourfulness: float | None
    """M of Hasler and Suesstrunk."""
    hue_resultant: float | None
    """Agreement in hue among the pixels of an image, in [0, 1]."""
    natural_hue_resultant: float | None
    """The same for photographs that naturally have the target's value."""
    kid: float | None
    """Kernel inception distance x 1000 from the fitted originals."""
    kid_low: float | None
    """Lower end of its 95 % interval, by bootstrap over photographs."""
    kid_high: float | None
    kid_natural: float | None
    """KID x 1000 from photographs that naturally have the target's value."""
    js_divergence: float | None
    """Jensen-Shannon divergence of joint ab histograms from the fitted originals, in [0, 1]."""
    fitted_ciede2000: float | None
    """Mean colour difference from the fitted originals."""
    fitted_ciede2000_low: float | None
    fitted_ciede2000_high: float | None
    fitted_mae: float | None
    fitted_psnr: float | None
    """dB."""
    hue_spread: float | None
    """Spread of the images' mean hues, in [0, 1]."""
    fitted_hue_spread: float | None
    """The same for the fitted originals."""
    lattice: float | None
    """Energy at periods of 2 and 4 pixels, relative to that of the fitted originals."""
    lattice_amplitude: float | None
    """Root mean square of dots at those periods, as a colour difference; visible from 1.5."""
    steps: int
    """Steps trained, like the next three; 0 for a recoloured trial, which takes its baseline's."""
    total_steps: int
    epochs: float
    seconds: float
    """Time of counted steps, with their evaluations."""
    images_per_second: float | None
    """Mean rate of counted steps, without evaluations; None if nothing was trained."""
    restarts: int
    """Number of restarts after deaths."""
    goodput: float | None
    """Share of its time on workers that was spent on steps that counted."""
    device: str
    taken_over_from: str | None
    """Sweep that it was taken over from, and the step up to which it was, if not to its end."""
    command: str
    """Command that trains it again; in another sweep, since in its own it may be finished."""
    settings: Settings = ()
    """Settings that differ among the trials, with its own values: columns of the files."""

    @property
    def anchor(self) -> str:
        """Anchor of the trial on the page."""
        return anchor(self.sweep, self.key)


def anchor(sweep: str, key: str) -> str:
    """Return the unique anchor of a trial on the page."""
    return f"t-{re.sub('[^A-Za-z0-9]', lambda m: f'-{ord(m[0]):x}-', sweep)}-{key}"


OF_CONTROL = (
    *("p10", "p90", "error", "error_low", "error_high", "error_p90"),
    *("reachable", "reachable_error", "reachable_error_p90", "lowest", "highest"),
)
OF_TRIAL = (
    *("mae", "psnr", "ssim", "ciede2000", "accuracy_2", "accuracy_5", "fid"),
    *("colourfulness", "hue_resultant"),
    *("kid", "kid_low", "kid_high", "kid_natural", "js_divergence"),
    *("fitted_ciede2000", "fitted_ciede2000_low", "fitted_ciede2000_high"),
    *("fitted_mae", "fitted_psnr", "hue_spread", "lattice", "lattice_amplitude"),
)
OF_REFERENCE = ("natural_hue_resultant", "fitted_hue_spread")
"""Metrics of natural photographs at a target, independent of the trial's outputs."""


def rows(runs: Sequence[TrialRun], best: Collection[TrialRun] = ()) -> list[Row]:
    """Return a row per run, way and control, in the order of the runs.

    Args:
        runs: runs of trials, or their views.
        best: those among them that are the best of a target.
    """
    every = names.differing([run.origin.config for run in runs])
    keys = dict.fromkeys(key for each in every for key in each)
    told = [tuple((_ASKED.get(k, k), _plain(each.get(k))) for k in keys) for each in every]
    return [
        row
        for run, settings in zip(runs, told, strict=True)
        for way in ways_of(run)
        for row in _rows_of(run, way, settings, run in best and way == ways_of(run)[0])
    ]


_ASKED = {"steps": "steps_asked", "epochs": "epochs_asked"}
"""Names of the settings that are called like what was trained."""


def _plain(value: Any) -> str | float | None:
    """Return a setting's value as a cell of a table holds it."""
    return value if isinstance(value, int | float | None) else names.value_text(value)


def ways_of(run: TrialRun) -> tuple[Way, ...]:
    """Return the ways in which a trial is measured; exact control needs a target."""
    if run.config.recolour:
        return ("exact",)
    return get_args(Way) if metric(run, "mae", "exact") is not None else ("raw",)


def metric(run: TrialRun, name: str, way: Way = "raw") -> float | None:
    """Return a metric of a trial's outputs; a recoloured trial's are all after exact control."""
    start = EXACT_PREFIX if way == "exact" and not run.config.recolour else ""
    return run.metrics.get(f"eval/{start}{name}")


def _rows_of(run: TrialRun, way: Way, settings: Settings, best: bool) -> list[Row]:
    controls: list[tuple[ControlName | None, Control | None]] = [*run.config.controls.items()]
    origin, own = run.origin, own_steps(run.config, run.phase, run.step, run.total_steps)
    return [
        Row(
            sweep=run.sweep,
            trial=run.name,
            training=origin.name,
            key=run.key,
            phase=run.phase,
            reason=run.reason,
            recoloured=run.config.recolour,
            any_target=bool(origin.config.any_controls),
            way=way,
            recipe_key=run.recipe_key,
            pictures_key=run.pictures_key,
            other_pictures=origin.other_pictures,
            targets=label_of(numbers(run)),
            best=best,
            control=name,
            target=control.wanted if control and not control.is_any else None,
            weight=control.weight if control and not run.config.recolour else None,
            crosstalk=_mean_crosstalk(run, way),
            steps=run.step if own else 0,
            total_steps=run.total_steps if own else 0,
            epochs=run.epoch if own else 0.0,
            seconds=run.seconds if own else 0.0,
            images_per_second=_speed(run) if own else None,
            restarts=run.restarts,
            goodput=run.goodput,
            device=run.device,
            taken_over_from=None if origin.lineage is None else origin.lineage.at(origin.step),
            settings=settings,
            command=train_command(as_trained(origin), f"{run.sweep}-again"),
            achieved=metric(run, f"{name}", way),
            **{field: metric(run, f"{name}_{field}", way) for field in OF_CONTROL},
            **{field: metric(run, field, way) for field in OF_TRIAL},
            **{field: metric(run, field) for field in OF_REFERENCE},
        )
        for name, control in controls or [(None, None)]
    ]


def _speed(run: TrialRun) -> float | None:
    seconds = run.step_seconds
    return run.step * run.config.batch_size / seconds if seconds else None


def crosstalk(run: TrialRun, way: Way = "raw") -> dict[ControlName, float | None]:
    """Return how far a trial moved the statistics that it does not control.

    Returns:
        Mean distance over the held-out images from the originals' value, by statistic and in its
        unit; None if the statistic was steered, or not measured.
    """
    return {name: metric(run, f"{name}_crosstalk", way) for name in CONTROLS}


def _mean_crosstalk(run: TrialRun, way: Way) -> float | None:
    found = [v / span(name) for name, v in crosstalk(run, way).items() if v is not None]
    return sum(found) / len(found) if found else None


def span(name: ControlName) -> float:
    """Return the width of a control's range of targets, in its own unit."""
    low, high = TARGET_RANGES[name]
    return high - low


def shown(control: str | None, value: float, digits: int) -> str:
    """Format a control's value; a hue that rounds to 1 becomes 0, the same on the circle."""
    rounded = round(value, digits)
    return f"{rounded % 1 if control == 'hue' else rounded:.{digits}f}"


def shown_setting(value: object) -> str:
    """Format a setting's value."""
    return f"{value:g}" if isinstance(value, float) else str(value)
