"""From runs to the rows of a report, without side effects."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from gan.config import Control, ControlName
from reports.runs import TrialRun

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

    trial: str
    key: str
    status: str
    """MLflow's, or PRUNED where a scheduler stopped the trial."""
    recoloured: bool
    """Whether the targets were met after a training without control."""
    control: ControlName | None
    target: float | None
    """sigma; hue in turns."""
    weight: float | None
    """lambda."""
    achieved: float | None
    """Mean of the statistic over the held-out images; circular for hue."""
    error: float | None
    """Mean over the held-out images of |achieved - target|; around the circle for hue."""
    error_p90: float | None
    """90th percentile of it over the held-out images."""
    reachable: float | None
    """Mean over the held-out images of the value nearest to the target that their L allows."""
    reachable_error: float | None
    """Mean distance of each image from its own nearest value."""
    reachable_error_p90: float | None
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
    device: str


def in_order(runs: Sequence[TrialRun]) -> list[TrialRun]:
    """Put each recoloured trial behind the last one that was steered to the same targets."""
    places: dict[object, int] = {}
    for place, run in enumerate(runs):
        if not run.config.recolour:
            places[_comparison(run)] = place
    return [
        run
        for _, run in sorted(
            enumerate(runs), key=lambda item: (places.get(_comparison(item[1]), len(runs)), item[0])
        )
    ]


def _comparison(run: TrialRun) -> object:
    """Equal for trials that differ in how, not in what, they steer."""
    targets = tuple((name, control.target) for name, control in run.config.controls.items())
    return run.config.without_control().key(), targets


def rows(runs: Sequence[TrialRun]) -> list[Row]:
    """Lay runs out, one row a control, in their order."""
    return [row for run in runs for row in _rows_of(run)]


def _rows_of(run: TrialRun) -> list[Row]:
    controls: list[tuple[ControlName | None, Control | None]] = [*run.config.controls.items()]
    return [
        Row(
            trial=run.name,
            key=run.key,
            status="PRUNED" if run.pruned else run.status,
            recoloured=run.config.recolour,
            control=name,
            target=control.target if control else None,
            weight=control.weight if control else None,
            steps=run.step,
            total_steps=run.total_steps,
            epochs=run.epoch,
            seconds=run.seconds,
            images_per_second=(
                run.step * run.config.batch_size / run.seconds if run.seconds else None
            ),
            device=run.device,
            achieved=run.metrics.get(f"eval/{name}"),
            **{field: run.metrics.get(f"eval/{name}_{field}") for field in OF_CONTROL},
            **{field: run.metrics.get(f"eval/{field}") for field in OF_TRIAL},
        )
        for name, control in controls or [(None, None)]
    ]


OF_CONTROL = ("error", "error_p90", "reachable", "reachable_error", "reachable_error_p90")
OF_TRIAL = (
    *("mae", "psnr", "ssim", "ciede2000", "accuracy_2", "accuracy_5", "fid"),
    *("colourfulness", "hue_resultant"),
)


def crosstalk(runs: Sequence[TrialRun]) -> list[tuple[str, dict[ControlName, float | None]]]:
    """What each trial did to the statistics that it was not asked for.

    Returns:
        For each trial its name, and by statistic the mean distance over the held-out images from
        the originals' value, in the statistic's unit; None where it was steered, or not measured.
    """
    return [
        (run.name, {name: run.metrics.get(f"eval/{name}_crosstalk") for name in SYMBOLS})
        for run in runs
    ]


def to_csv(table: Sequence[Row]) -> str:
    """Write rows as CSV with a header; an absent value is empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in table)
    return buffer.getvalue()
