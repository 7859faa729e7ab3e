"""Trials as the rows of a report, without side effects."""

import csv
import io
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields

from gan.control import TARGETS, Control, ControlName
from reports.command import train_command
from reports.runs import State, TrialRun

SYMBOLS: dict[ControlName, str] = {
    "saturation": "S",
    "hue": "H",
    "red": "R",
    "green": "G",
    "blue": "B",
    "chroma": "C",
    "a": "a",
    "b": "b",
    "warmth": "W",
    "colourfulness": "M",
}
"""Index of sigma and lambda, as in the seed's equations."""


@dataclass(frozen=True)
class Row:
    """One control of one trial; a trial without control has one row without target.

    Values, targets and errors of a control are in the statistic's own unit.
    """

    sweep: str
    trial: str
    key: str
    state: State
    reason: str
    """Why it failed, or a scheduler stopped it."""
    recoloured: bool
    """Whether the targets were met after a training without control."""
    best: bool
    """Whether it comes nearest to its targets of several that were steered to them."""
    control: ControlName | None
    target: float | None
    """sigma; hue in turns."""
    weight: float | None
    """lambda; none where nothing was steered in training."""
    achieved: float | None
    """Mean of the statistic over the held-out images; circular for hue."""
    p10: float | None
    """10th percentile of the statistic over the held-out images; of hue as seen from the target."""
    p90: float | None
    error: float | None
    """Mean over the held-out images of |achieved - target|; around the circle for hue."""
    error_p90: float | None
    """90th percentile of it over the held-out images."""
    reachable: float | None
    """Mean over the held-out images of the value nearest to the target that their L allows."""
    reachable_error: float | None
    """Mean distance of each image from its own nearest value."""
    reachable_error_p90: float | None
    lowest: float | None
    """Mean over the held-out images of the least value that their L allows; none for hue."""
    highest: float | None
    crosstalk: float | None
    """What the trial did to the statistics that it was not asked for: mean distance from the
    originals' value, in parts of the statistic's range, and over those statistics."""
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
    """How much the pixels of an image agree in hue, in [0, 1]."""
    steps: int
    total_steps: int
    epochs: float
    seconds: float
    images_per_second: float | None
    restarts: int
    """After deaths."""
    goodput: float | None
    """Share of its time on workers that went into steps that counted."""
    device: str
    command: str
    """What trains it again, under another name: where it is finished there is nothing to do."""

    @property
    def anchor(self) -> str:
        """Where it is on the page."""
        return anchor(self.sweep, self.key)


def anchor(sweep: str, key: str) -> str:
    """Name a trial's place on the page, unlike any other's."""
    return f"t-{re.sub('[^A-Za-z0-9]', lambda m: f'-{ord(m[0]):x}-', sweep)}-{key}"


OF_CONTROL = (
    *("p10", "p90", "error", "error_p90", "reachable", "reachable_error", "reachable_error_p90"),
    *("lowest", "highest"),
)
OF_TRIAL = (
    *("mae", "psnr", "ssim", "ciede2000", "accuracy_2", "accuracy_5", "fid"),
    *("colourfulness", "hue_resultant"),
)


def rows(runs: Sequence[TrialRun], best: Collection[TrialRun] = ()) -> list[Row]:
    """Lay runs out, one row a control, in their order."""
    return [row for run in runs for row in _rows_of(run, run in best)]


def _rows_of(run: TrialRun, best: bool) -> list[Row]:
    controls: list[tuple[ControlName | None, Control | None]] = [*run.config.controls.items()]
    return [
        Row(
            sweep=run.sweep,
            trial=run.name,
            key=run.key,
            state=run.state,
            reason=run.reason,
            recoloured=run.config.recolour,
            best=best,
            control=name,
            target=control.target if control else None,
            weight=control.weight if control and not run.config.recolour else None,
            crosstalk=_mean_crosstalk(run),
            steps=run.step,
            total_steps=run.total_steps,
            epochs=run.epoch,
            seconds=run.seconds,
            images_per_second=(
                run.step * run.config.batch_size / run.seconds if run.seconds else None
            ),
            restarts=run.restarts,
            goodput=run.goodput,
            device=run.device,
            command=train_command(run.config, f"{run.sweep}-again"),
            achieved=run.metrics.get(f"eval/{name}"),
            **{field: run.metrics.get(f"eval/{name}_{field}") for field in OF_CONTROL},
            **{field: run.metrics.get(f"eval/{field}") for field in OF_TRIAL},
        )
        for name, control in controls or [(None, None)]
    ]


def crosstalk(run: TrialRun) -> dict[ControlName, float | None]:
    """What a trial did to the statistics that it was not asked for.

    Returns:
        By statistic the mean distance over the held-out images from the originals' value, in the
        statistic's unit; None where it was steered, or not measured.
    """
    return {name: run.metrics.get(f"eval/{name}_crosstalk") for name in SYMBOLS}


def _mean_crosstalk(run: TrialRun) -> float | None:
    found = [v / span(name) for name, v in crosstalk(run).items() if v is not None]
    return sum(found) / len(found) if found else None


def span(name: ControlName) -> float:
    """Width of a control's range of targets, in its own unit."""
    low, high = TARGETS[name]
    return high - low


def shown(control: str | None, value: float, digits: int) -> str:
    """Write a control's value; a hue that rounds to 1 is 0, the same on the circle."""
    rounded = round(value, digits)
    return f"{rounded % 1 if control == 'hue' else rounded:.{digits}f}"


def shown_setting(value: object) -> str:
    """Write a setting's value."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def to_csv(table: Sequence[Row]) -> str:
    """Write rows as CSV with a header; an absent value is empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in table)
    return buffer.getvalue()


def to_json(table: Sequence[Row]) -> str:
    """Write rows as a JSON array of objects; an absent value is null."""
    return json.dumps([asdict(row) for row in table], indent=1) + "\n"
