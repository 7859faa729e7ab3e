"""Trials as rows of a table: the one of the live view, and of a sweep's status."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.table import Table
from rich.text import Text

from gan.config import TrainConfig
from gan.control import CONTROLS, ControlName
from reports.phase import TrialPhase
from reports.runs import own_steps
from reports.tables import duration


@dataclass
class TrialRow:
    """Trial as a row of the table."""

    name: str
    """Name in the sweep's file; in a table, what differs among its rows."""
    config: TrainConfig
    phase: TrialPhase = TrialPhase.WAITING
    step: int = 0
    total_steps: int | None = None
    epoch: float = 0.0
    images_per_second: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    measuring: str = ""
    """Target that the final evaluation is measuring, such as 3 of 9."""
    reason: str = ""
    seen: float | None = None
    """Time when its process was last alive, in seconds since the epoch; None in the live view."""
    restarts: int = 0
    """Number of restarts after a death, which the live view does not count."""
    wasted_steps: int = 0
    """Number of steps that were lost and repeated, which the live view does not count."""
    goodput: float | None = None
    """Share of its time on workers in steps that counted; None in the live view."""

    @property
    def own_steps(self) -> bool:
        """Whether the trial trains its steps itself (``reports.runs.own_steps``)."""
        return own_steps(self.config, self.phase, self.step, self.total_steps)

    @property
    def seconds_left(self) -> float | None:
        """Time left, estimated from the speed of the last second or so."""
        running = self.phase is TrialPhase.RUNNING
        if not running or not self.images_per_second or self.total_steps is None:
            return None
        images = (self.total_steps - self.step) * self.config.batch_size
        return images / self.images_per_second

    def left(self) -> str:
        """Return the time left, or the target that the final evaluation is measuring, as text."""
        if self.phase is TrialPhase.RUNNING and self.measuring:
            return f"eval {self.measuring.replace(' of ', '/')}"
        return "" if self.seconds_left is None else duration(self.seconds_left)

    @property
    def losses(self) -> tuple[float, float] | None:
        """The generator's total loss and the discriminator's; None before the first."""
        losses = {k: v for k, v in self.metrics.items() if k.startswith("loss/")}
        if not losses:
            return None
        discriminator = losses.pop("loss/discriminator")
        # NAME_read is a loss of the discriminator, NAME_as_read one of the generator.
        of_discriminator = [k for k in losses if k.endswith("_read") and not k.endswith("_as_read")]
        for name in of_discriminator:
            del losses[name]
        return sum(losses.values()), discriminator

    @property
    def controls(self) -> list[ControlName]:
        """Names of the controls, in the order of the trial's name."""
        return sorted(self.config.controls, key=[*CONTROLS].index)

    def achieved(self) -> str:
        """Return a line for each control: last evaluation and target."""
        return "\n".join(map(self._achieved, self.controls))

    def _achieved(self, name: ControlName) -> str:
        control = self.config.controls[name]
        if control.is_any:
            return "any"
        value = self.metrics.get(f"eval/{name}")
        if value is not None and name == "hue":
            value = round(value, 2) % 1  # 0.998 of a turn is 0.00, not 1.00
        return f"{'   ?' if value is None else f'{value:.2f}'} of {control.wanted:.2f}"

    def errors(self) -> str:
        """Return a line for each control: its error, the mean over the held-out images."""
        errors = [self.metrics.get(f"eval/{name}_error") for name in self.controls]
        if not any(error is not None for error in errors):
            return ""
        return "\n".join("" if error is None else f"{error:.3f}" for error in errors)

    def achieved_with_errors(self) -> str:
        """Return achieved, target and error of each control in one line."""
        pairs = zip(self.achieved().split("\n"), self.errors().split("\n"), strict=False)
        return ", ".join(f"{line} (error {error})" if error else line for line, error in pairs)


FRESH_SECONDS = 30.0
"""Time in which a running trial is heard of; only a longer silence is shown."""


@dataclass(frozen=True)
class Column:
    """Column of the table, which is left out if it is empty for all rows."""

    heading: str
    text: Callable[[TrialRow], str]
    rank: int
    """Place in the order of importance: the last columns are left out where there is no room."""


def _step(row: TrialRow) -> str:
    total = "?" if row.total_steps is None else str(row.total_steps)
    return f"{row.step}/{total}" if row.own_steps else ""


def _loss(index: int, digits: int) -> Callable[[TrialRow], str]:
    return lambda row: "" if row.losses is None else f"{row.losses[index]:.{digits}f}"


def _speed(row: TrialRow) -> str:
    running = row.phase is TrialPhase.RUNNING
    return f"{row.images_per_second:.0f}" if running and row.images_per_second else ""


def _seen(row: TrialRow) -> str:
    fresh = row.seen is not None and time.time() - row.seen < FRESH_SECONDS
    return "" if fresh and row.phase is TrialPhase.RUNNING else ago(row.seen)


COLUMNS = (
    Column("Step", _step, 0),
    Column("Epoch", lambda row: f"{row.epoch:.1f}" if row.own_steps and row.epoch else "", 11),
    Column("Achieved", TrialRow.achieved, 1),
    Column("Error", TrialRow.errors, 2),
    Column("Loss G", _loss(0, 1), 4),
    Column("D", _loss(1, 2), 5),
    Column("Img/s", _speed, 8),
    Column("Left", TrialRow.left, 3),
    Column("Seen", _seen, 6),
    Column("Restarts", lambda row: str(row.restarts or ""), 7),
    Column("Wasted", lambda row: str(row.wasted_steps or ""), 9),
    # A recoloured trial takes no steps.
    Column("Goodput", lambda row: share(row.goodput or None), 10),
)
PHASE_WIDTH = max(map(len, TrialPhase))
GAP = 1


def trial_table(rows: Sequence[TrialRow], width: int) -> Table:
    """Return a table of trials for a terminal of so many columns.

    Columns are left out if they are empty for all rows, and the least important ones if they do not
    fit beside a quarter of the width for the names.
    """
    cells = [[column.text(row) for row in rows] for column in COLUMNS]
    names = max((len(row.name) for row in rows), default=0)
    left = width - PHASE_WIDTH - GAP - min(names, max(8, width // 4)) - GAP
    shown: set[int] = set()
    for index in sorted(range(len(COLUMNS)), key=lambda i: COLUMNS[i].rank):
        if not any(cells[index]):
            continue
        lines = (line for text in cells[index] for line in text.split("\n"))
        left -= max(len(COLUMNS[index].heading), *map(len, lines)) + GAP
        if left < 0 and shown:
            break
        shown.add(index)
    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="bold")
    table.add_column("Trial", overflow="fold", min_width=8)
    table.add_column("Phase", no_wrap=True)
    for index in sorted(shown):
        table.add_column(COLUMNS[index].heading, justify="right", no_wrap=True)
    for number, row in enumerate(rows):
        texts = (Text(cells[index][number]) for index in sorted(shown))  # some of several lines
        table.add_row(row.name, Text(row.phase, row.phase.style), *texts)
    return table


def ago(seen: float | None) -> str:
    """Return the time since a moment, in seconds since the epoch, as text; empty for None."""
    return "" if seen is None else f"{duration(max(0, time.time() - seen))} ago"


def share(part: float | None) -> str:
    """Return a share as text; empty for None."""
    return "" if part is None else f"{part:.0%}"
