"""The live view: one line a trial in a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gan.config import TrainConfig
from orchestrator.sweep.spec import CONTROLS
from orchestrator.sweep.trials import Trial
from reports.tables import duration

State = Literal[
    "waiting", "starting", "running", "restarting", "finished", "pruned", "stopped", "failed"
]
STYLES: dict[State, str] = {
    "waiting": "dim",
    "starting": "cyan",
    "running": "cyan",
    "restarting": "yellow",
    "finished": "green",
    "pruned": "magenta",
    "stopped": "yellow",
    "failed": "red",
}
QUIET = ("waiting", "finished", "pruned")
"""States of which nothing is to be seen but their number, where there is no room."""


@dataclass
class Row:
    """What is known of one trial."""

    name: str
    config: TrainConfig
    state: State = "waiting"
    step: int = 0
    total_steps: int | None = None
    epoch: float = 0.0
    images_per_second: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    checkpoint_seconds: float = 0.0
    measuring: str = ""
    """Which target of the evaluation at the end."""
    reason: str = ""

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the speed of the last second or so."""
        if self.state != "running" or not self.images_per_second or self.total_steps is None:
            return None
        images = (self.total_steps - self.step) * self.config.batch_size
        return images / self.images_per_second

    def left(self) -> str:
        """Write what is left to do, or what is done after the last step."""
        if self.state == "running" and self.measuring:
            return f"measures {self.measuring}"
        return "" if self.seconds_left is None else duration(self.seconds_left)

    def losses(self) -> tuple[str, str]:
        """Return the generator's total and the discriminator's loss."""
        losses = {k: v for k, v in self.metrics.items() if k.startswith("loss/")}
        if not losses:
            return "", ""
        discriminator = losses.pop("loss/discriminator")
        of_discriminator = [k for k in losses if k.endswith("_read") and not k.endswith("_as_read")]
        for name in of_discriminator:
            del losses[name]
        return f"{sum(losses.values()):.1f}", f"{discriminator:.2f}"

    def achieved(self) -> str:
        """Return the last evaluation beside what was wanted: a line a control, as in the name."""
        lines = []
        controls = self.config.controls
        for name in sorted(controls, key=CONTROLS.index):
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


class Progress:
    """Shows rows as they change."""

    def __init__(self, console: Console, trials: Sequence[Trial]) -> None:
        """Prepare one waiting row a trial."""
        self.console = console
        self._note = ""
        self.rows: dict[str, Row] = {}
        for trial in trials:
            self.add(trial)
        self._live = Live(console=console, get_renderable=self.table, refresh_per_second=2)

    def __enter__(self) -> "Progress":
        """Start drawing, in a terminal."""
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Draw the last state and stop."""
        if self.console.is_terminal:
            self._live.stop()

    def add(self, trial: Trial) -> None:
        """Show one more trial, which waits."""
        self.rows[trial.key] = Row(trial.name, trial.config)

    def update(self, key: str, state: State, **changes: Any) -> None:
        """Change a row; outside a terminal, print new states and new evaluations."""
        row = self.rows[key]
        news = state != row.state or self._evaluation(changes.get("metrics")) != self._evaluation(
            row.metrics
        )
        row.state = state
        for name, value in changes.items():
            setattr(row, name, value)
        if news and not self.console.is_terminal:
            self.console.print(self._line(row), soft_wrap=True)

    def say(self, line: str) -> None:
        """Tell something beside the trials: below the table, or as a line of its own."""
        self._note = line
        if not self._live.is_started:
            self.console.print(line, style="yellow", soft_wrap=True)

    @staticmethod
    def _evaluation(metrics: dict[str, float] | None) -> dict[str, float]:
        return {k: v for k, v in (metrics or {}).items() if k.startswith("eval/")}

    def table(self) -> Table:
        """Draw every trial; fits 80 columns."""
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
        table.add_column("State")
        for heading in ("Step", "Epoch", "Img/s", "Loss G", "D", "Achieved", "Left"):
            table.add_column(heading, justify="right", no_wrap=True)
        rows = list(self.rows.values())
        if 2 * len(rows) > self.console.height:  # names may take two lines
            quiet = Counter(row.state for row in rows if row.state in QUIET)
            rows = [row for row in rows if row.state not in quiet]
            table.title = ", ".join(f"{count} {state}" for state, count in quiet.items())
        for row in rows:
            total = "?" if row.total_steps is None else str(row.total_steps)
            table.add_row(
                row.name,
                Text(row.state, STYLES[row.state]),
                f"{row.step}/{total}",
                f"{row.epoch:.1f}",
                f"{row.images_per_second:.0f}" if row.images_per_second else "",
                *row.losses(),
                row.achieved(),
                row.left(),
            )
        return table

    def _line(self, row: Row) -> str:
        parts = [time.strftime("%H:%M:%S"), f"{row.name}:", row.state]
        if row.step:
            parts.append(f"step {row.step} of {row.total_steps}, epoch {row.epoch:.1f}")
        if row.images_per_second and row.state == "running":
            parts.append(f"{row.images_per_second:.0f} images/s")
        generator, discriminator = row.losses()
        if generator:
            parts.append(f"loss G {generator} D {discriminator}")
        if row.config.controls and "eval/mae" in row.metrics:
            parts.append("achieved " + row.achieved().replace("\n", ", "))
        if (left := row.seconds_left) is not None:
            parts.append(f"{duration(left)} left")
        if row.reason:
            parts.append(row.reason)
        return "  ".join(parts)
