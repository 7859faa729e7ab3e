"""From runs to the rows of a report, without side effects."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from gan.config import ControlName
from reports.tracking import TrialRun

SYMBOLS: dict[ControlName, str] = {
    "saturation": "S",
    "hue": "H",
    "red": "R",
    "green": "G",
    "blue": "B",
}
"""Index of sigma and lambda, as in the seed's equations."""


@dataclass(frozen=True)
class Row:
    """One control of one trial; a trial without control has one row without target."""

    trial: str
    key: str
    status: str
    control: ControlName | None
    target: float | None
    """sigma, in [0, 1]; hue in turns."""
    weight: float | None
    """lambda."""
    achieved: float | None
    """Mean of the statistic over the held-out images; circular for hue."""
    error: float | None
    """Mean over the held-out images of |achieved - target|; around the circle for hue."""
    reachable: float | None
    """Mean over the held-out images of the value nearest to the target that their L allows."""
    mae: float | None
    """Mean absolute difference from the originals' RGB, in [0, 1]."""
    steps: int
    total_steps: int
    epochs: float
    seconds: float
    images_per_second: float | None
    device: str


def rows(runs: Sequence[TrialRun]) -> list[Row]:
    """Lay runs out, one row a control, in the order of the sweep."""
    return [row for run in runs for row in _rows_of(run)]


def _rows_of(run: TrialRun) -> list[Row]:
    found = []
    for name in run.config.controls or (None,):
        control = run.config.controls[name] if name else None
        found.append(
            Row(
                trial=run.name,
                key=run.key,
                status=run.status,
                control=name,
                target=control.target if control else None,
                weight=control.weight if control else None,
                achieved=run.metrics.get(f"eval/{name}"),
                error=run.metrics.get(f"eval/{name}_error"),
                reachable=run.metrics.get(f"eval/{name}_reachable"),
                mae=run.metrics.get("eval/mae"),
                steps=run.step,
                total_steps=run.total_steps,
                epochs=run.epoch,
                seconds=run.seconds,
                images_per_second=(
                    run.step * run.config.batch_size / run.seconds if run.seconds else None
                ),
                device=run.device,
            )
        )
    return found


def to_csv(table: Sequence[Row]) -> str:
    """Write rows as CSV with a header; an absent value is empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in table)
    return buffer.getvalue()
