"""Live view: one line per trial in a terminal, log lines elsewhere."""

import time
from dataclasses import replace

from rich.console import Console
from rich.live import Live
from rich.table import Table

from orchestrator.driver.trial_table import TrialRow, trial_table
from orchestrator.store.events import TrialEvent
from orchestrator.sweep.trials import Trial
from reports.names import shown_names
from reports.phase import TrialPhase, counted
from reports.tables import duration


class LiveView:
    """Live table of trials, updated by their events."""

    def __init__(self, console: Console, *, transient: bool = False) -> None:
        """Show trials on a console; a ``transient`` table is removed at the end."""
        self.console = console
        self._note = ""
        self.rows: dict[str, TrialRow] = {}
        self._shown: dict[str, str] = {}
        """Names of the rows as shown: what differs among them."""
        self._live = Live(
            console=console,
            get_renderable=self.table,
            refresh_per_second=2,
            transient=transient,
        )

    def __enter__(self) -> "LiveView":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            was_transient = self._live.transient
            self._live.transient |= self._is_cut  # nothing active is left in it
            self._live.stop()
            if self._note and not was_transient and self._is_cut:
                self.console.print(self._note, style="yellow", soft_wrap=True)

    @property
    def _is_cut(self) -> bool:
        """Whether not all rows fit: names may take two lines."""
        return 2 * len(self.rows) > self.console.height

    def add(self, trial: Trial) -> None:
        """Add a row for a waiting trial."""
        self.rows[trial.key] = TrialRow(trial.name, trial.config)

    def update(self, event: TrialEvent) -> None:
        """Update a row; outside a terminal, print new phases, and begun and ended evaluations."""
        row = replace(self.rows[event.key], phase=event.phase, reason=event.reason)
        if (progress := event.progress) is not None:
            row.step, row.total_steps = progress.step, progress.total_steps
            row.epoch, row.metrics = progress.epoch, progress.metrics
            row.images_per_second = progress.images_per_second
            row.measuring = progress.measuring
        self.show(event.key, row)

    def show(self, key: str, row: TrialRow) -> None:
        """Replace or add a row; outside a terminal, print it as ``update`` does."""
        before = self.rows.get(key, TrialRow(row.name, row.config))
        self.rows[key] = row
        if not self.console.is_terminal and self._told(before) != self._told(row):
            self.console.print(self._line(row), soft_wrap=True)

    def say(self, line: str) -> None:
        """Show a note below the table, or print a new one if there is no table."""
        is_new, self._note = line != self._note, line
        if line and is_new and not self._live.is_started:
            self.console.print(line, style="yellow", soft_wrap=True)

    def take_back(self, line: str) -> None:
        """Show a note no more, unless it has been replaced."""
        if line == self._note:
            self._note = ""

    @staticmethod
    def _told(row: TrialRow) -> tuple[TrialPhase, bool, dict[str, float]]:
        """Return what a new line tells of, outside a terminal."""
        evaluated = {k: v for k, v in row.metrics.items() if k.startswith("eval/")}
        return row.phase, bool(row.measuring), evaluated

    def table(self) -> Table:
        """Return the table of trials; where not all fit, of those that have a worker."""
        if self._shown.keys() != self.rows.keys():
            every = [*self.rows.values()]
            names = shown_names([row.name for row in every], [row.config for row in every])
            self._shown = dict(zip(self.rows, names, strict=True))
        rows = [replace(row, name=self._shown[key]) for key, row in self.rows.items()]
        title = None
        if self._is_cut:
            title = counted(row.phase for row in rows)
            rows = [row for row in rows if row.phase.is_active]
        table = trial_table(rows, self.console.width)
        table.title, table.title_style, table.title_justify = title, "dim", "left"
        table.caption, table.caption_style, table.caption_justify = self._note, "yellow", "left"
        return table

    def _line(self, row: TrialRow) -> str:
        parts = [time.strftime("%H:%M:%S"), f"{row.name}:", row.phase]
        if row.step and row.own_steps:
            parts.append(f"step {row.step} of {row.total_steps}, epoch {row.epoch:.1f}")
        if row.images_per_second and row.phase is TrialPhase.RUNNING:
            parts.append(f"{row.images_per_second:.0f} images/s")
        if (losses := row.losses) is not None:
            parts.append(f"loss G {losses[0]:.1f} D {losses[1]:.2f}")
        if row.config.controls and "eval/mae" in row.metrics:
            parts.append("achieved " + row.achieved_with_errors())
        if (left := row.seconds_left) is not None:
            parts.append(f"{duration(left)} left")
        if row.measuring and row.phase is TrialPhase.RUNNING:
            parts.append("evaluating")
        if row.reason:
            parts.append(row.reason)
        return "  ".join(parts)
