"""Sentences, headings and lists in a report, outside its tables."""

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from markupsafe import Markup

from gan.control import CONTROLS
from gan.data.identity import dataset_of
from gan.extras import features_unavailable
from gan.plain_text import printable
from reports import compare
from reports.phase import TrialPhase, counted
from reports.read import Read
from reports.rows import Row
from reports.runs import LEFT_OUT, TrialRun
from reports.views import short


def heading(run: TrialRun, apart: str) -> Markup:
    """Return a heading in Markdown with a trial's targets, like the original project's results.

    Args:
        run: run of a trial, or a view.
        apart: description of its differences from other trials at the same targets.
    """
    controls = run.config.controls.items()
    targets = ", ".join(
        rf"$\sigma_{CONTROLS[name].symbol} = {c.target}$"
        if c.is_any
        else rf"$\sigma_{CONTROLS[name].symbol} = {short(c.wanted)}$"
        for name, c in controls
    )
    any_target = "any target" if run.whole else ""
    after = "recoloured after training" if run.config.recolour else ""
    parts = (targets or "Without control", any_target, after, plain_in_markdown(apart))
    return Markup(", ".join(part for part in parts if part))


def naturalness(table: Sequence[Row]) -> str:
    """Explain why KID is missing, if it is; measuring it needs an extra of the package."""
    measured = [row for row in table if row.mae is not None]
    if not measured or any(row.kid is not None for row in measured):
        return ""
    reason = features_unavailable() or (
        "these trials are not finished, or were trained without what measures it "
        "(pip install 'colorsweep[naturalness]')"
    )
    return f"KID was not measured: {reason}."


def choice(read: Read) -> str:
    """Say how many trials have pictures and how they were chosen; empty if all have pictures."""
    measured = [run for run in read.runs if run.measured and not run.config.recolour]
    if len(measured) == len(read.shown):
        return ""
    return f"Pictures of {len(read.shown)} of {len(measured)} trials: {compare.CHOICE}."


def seed(read: Read) -> str:
    """Say of which of several seeds the pictures are; empty if there is one seed."""
    if read.seed is None:
        return ""
    seeds = sorted({run.config.seed for run in read.runs if run.measured})
    others = any(run.config.seed != read.seed for run in read.shown)
    but = "; where it has no trial, another one is named" if others else ""
    return f"Pictures are of seed {read.seed} of {', '.join(map(str, seeds))}{but}."


def other_pictures(read: Read) -> str:
    """Explain the mark of trials of other pictures; empty if there are none."""
    marked = {dataset_of(run.config): None for run in read.runs if run.other_pictures}
    if not marked:
        return ""
    return (
        "†: trained and measured on other pictures than most trials of the same dataset "
        f"({', '.join(marked)}), and not to be compared with them."
    )


def counts(read: Read) -> str:
    """Count the sweeps' trials by phase, with or without a run, in words."""
    phases = [run.phase for run in read.runs if run.index != LEFT_OUT]
    line = counted([*phases, *[TrialPhase.WAITING] * missing(read)])
    left = sum(run.index == LEFT_OUT for run in read.runs)
    return f"{line}, {left} that left the file" if left else line


def missing(read: Read) -> int:
    """Count the launched trials that have no run yet."""
    absent = 0
    for sweep in read.sweeps:
        launched = range(read.launches[sweep].trials)  # trials chosen later by a search follow
        absent += len(launched) - sum(r.sweep == sweep and r.index in launched for r in read.runs)
    return absent


def made(read: Read) -> dict[str, Any]:
    """Return the commands, versions, datasets and devices behind the report."""
    trained = [run for run in read.runs if run.versions]
    return {
        "commands": [each.command for each in read.launches.values() if each.command],
        "report": version("colorsweep"),
        "versions": _unique(", ".join(f"{k} {v}" for k, v in r.versions.items()) for r in trained),
        "datasets": _unique(
            f"{r.config.dataset} at {r.config.image_size} pixels, {r.dataset_digest[:16]}"
            for r in trained
        ),
        "devices": _unique(run.device for run in trained),
    }


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


_MARKUP = re.compile(
    r"[\\`*_\[\]<>|#$&~]"
    r"|:(?=//)|(?<=\bwww)\."  # what GitHub links
    r"|^\s?[-+](?=[-\s])|(?:(?<=^\d)|(?<=^\d\d))[.)](?=\s)"  # what makes lists of lines
)


def plain_in_markdown(text: str) -> str:
    """Escape text, as a part of one line, so that Markdown finds no markup in it."""
    return _MARKUP.sub(lambda m: f"{m[0][:-1]}\\{m[0][-1]}", printable(re.sub(r"\s+", " ", text)))


def fenced(commands: Iterable[str]) -> Markup:
    """Return commands as a code block, which nothing in them can end."""
    text = "\n".join(map(printable, commands))
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return Markup(f"{fence}\n{text}\n{fence}")


def shared_settings(runs: Sequence[TrialRun]) -> str:
    """List the settings that all trials have in common."""
    lines = {
        (
            f"dataset {run.config.dataset}",
            f"{run.config.image_size}×{run.config.image_size} pixels",
            f"{run.config.base_channels} base channels",
            f"batch {run.config.batch_size}",
        )
        for run in runs
    }
    return ", ".join(each[0] for each in zip(*lines, strict=True) if len(set(each)) == 1)
