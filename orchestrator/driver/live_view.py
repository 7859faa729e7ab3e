"""Live view: one line per trial in a terminal, log lines elsewhere."""

import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gan.config import TrainConfig
from gan.control import CONTROLS
from orchestrator.store.events import TrialEvent
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase, counted
from reports.runs import own_steps
from reports.tables import duration


@dataclass
class TrialRow:
    """Trial as a row of the live view."""

    name: str
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

    def losses(self) -> tuple[str, str]:
        """Return the generator's total loss and the discriminator's loss as text."""
        losses = {k: v for k, v in self.metrics.items() if k.startswith("loss/")}
        if not losses:
            return "", ""
        discriminator = losses.pop("loss/discriminator")
        # NAME_read is a loss of the discriminator, NAME_as_read one of the generator.
        of_discriminator = [k for k in losses if k.endswith("_read") and not k.endswith("_as_read")]
        for name in of_discriminator:
            del losses[name]
        return f"{sum(losses.values()):.1f}", f"{discriminator:.2f}"

    def achieved(self) -> str:
        """Return a line for each control, in the order of the name: last evaluation and target."""
        lines = []
        controls = self.config.controls
        for name in sorted(controls, key=[*CONTROLS].index):
            value = self.metrics.get(f"eval/{name}")
            if value is not None and name == "hue":
                value = round(value, 2) % 1  # 0.998 of a turn is 0.00, not 1.00
            shown = "   ?" if value is None else f"{value:.2f}"
            control = controls[name]
            if control.is_any:
                error = self.metrics.get(f"eval/{name}_error")
                lines.append("any" if error is None else f"any, {error:.2f} off")
            else:
                lines.append(f"{shown} of {control.wanted:.2f}")
        return "\n".join(lines)


class LiveView:
    """Live table of trials, updated by their events."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._note = ""
        self.rows: dict[str, TrialRow] = {}
        self._live = Live(console=console, get_renderable=self.table, refresh_per_second=2)

    def __enter__(self) -> "LiveView":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def add(self, trial: Trial) -> None:
        """Add a row for a waiting trial."""
        self.rows[trial.key] = TrialRow(trial.name, trial.config)

    def update(self, event: TrialEvent) -> None:
        """Update a row; outside a terminal, print new phases, and begun and ended evaluations."""
        row = self.rows[event.key]
        before = self._told(row)
        row.phase, row.reason = event.phase, event.reason
        if (progress := event.progress) is not None:
            row.step, row.total_steps = progress.step, progress.total_steps
            row.epoch, row.metrics = progress.epoch, progress.metrics
            row.images_per_second = progress.images_per_second
            row.measuring = progress.measuring
        if not self.console.is_terminal and before != self._told(row):
            self.console.print(self._line(row), soft_wrap=True)

    def say(self, line: str) -> None:
        """Show a note below the table, or print it if there is no table."""
        self._note = line
        if not self._live.is_started:
            self.console.print(line, style="yellow", soft_wrap=True)

    @staticmethod
    def _told(row: TrialRow) -> tuple[TrialPhase, bool, dict[str, float]]:
        """Return what a new line tells of, outside a terminal."""
        evaluated = {k: v for k, v in row.metrics.items() if k.startswith("eval/")}
        return row.phase, bool(row.measuring), evaluated

    def table(self) -> Table:
        """Return the table of trials, within 80 columns."""
        table = Table(
            box=None,
            padding=(0, 1, 0, 0),
            header_style="bold",
            caption=self._note,
            caption_style="yellow",
            caption_justify="left",
            title_justify="left",
            title_style="dim",
        )
        table.add_column("Trial", overflow="fold", min_width=8)
        table.add_column("Phase", no_wrap=True)
        for heading in ("Step", "Epoch", "Img/s", "Loss G", "D", "Achieved", "Left"):
            table.add_column(heading, justify="right", no_wrap=True)
        rows = list(self.rows.values())
        if 2 * len(rows) > self.console.height:  # names may take two lines
            table.title = counted(row.phase for row in rows)
            rows = [row for row in rows if row.phase.is_active]
        for row in rows:
            total = "?" if row.total_steps is None else str(row.total_steps)
            table.add_row(
                row.name,
                Text(row.phase, row.phase.style),
                f"{row.step}/{total}" if row.own_steps else "",
                f"{row.epoch:.1f}" if row.own_steps else "",
                f"{row.images_per_second:.0f}" if row.images_per_second else "",
                *row.losses(),
                Text(row.achieved()),  # of several lines
                row.left(),
            )
        return table

    def _line(self, row: TrialRow) -> str:
        parts = [time.strftime("%H:%M:%S"), f"{row.name}:", row.phase]
        if row.step and row.own_steps:
            parts.append(f"step {row.step} of {row.total_steps}, epoch {row.epoch:.1f}")
        if row.images_per_second and row.phase is TrialPhase.RUNNING:
            parts.append(f"{row.images_per_second:.0f} images/s")
        generator, discriminator = row.losses()
        if generator:
            parts.append(f"loss G {generator} D {discriminator}")
        if row.config.controls and "eval/mae" in row.metrics:
            parts.append("achieved " + row.achieved().replace("\n", ", "))
        if (left := row.seconds_left) is not None:
            parts.append(f"{duration(left)} left")
        if row.measuring and row.phase is TrialPhase.RUNNING:
            parts.append("evaluating")
        if row.reason:
            parts.append(row.reason)
        return "  ".join(parts)
