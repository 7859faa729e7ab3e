"""Pieces of the demo page in HTML."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from gan.control import CONTROLS, ControlName
from gan.errors import UserError
from orchestrator.inference.demo_photo import Outcomes, Photo
from reports.rows import shown

CSS = """
.gradio-container .main.app { max-width: 1280px; padding: 8px 16px; }
.gradio-container main, .gradio-container .html-container { padding: 4px 0 !important; }
.gradio-container button.primary { background: #1d4ed8; color: white; transition: none; }
.gradio-container button.primary:disabled { background: #4b5563; }
.gradio-container .info-text { color: inherit !important; }
h1 { font-size: 1.25rem; margin: 0; } p { margin: 0; }
#controls { flex: 3 1 300px; gap: 10px; }
.gradio-container .picture { flex: 4 1 280px !important; }
figure, figcaption { margin: 0; }
figure img { width: 100%; max-height: 75vh; object-fit: contain; object-position: left top; }
.gradio-container .numbers, .gradio-container .numbers * { border: 0 !important; }
.gradio-container .numbers { width: 100%; border-collapse: collapse; margin: 0; }
.gradio-container .numbers :is(td, th) { padding: 4px 0 4px 8px; text-align: right;
  font-variant: tabular-nums; border-bottom: 1px solid var(--border-color-primary) !important; }
.gradio-container .numbers :is(td, th):first-child { text-align: left; padding-left: 0; }
.refused { border-left: 4px solid #b91c1c; padding: 4px 8px; font-weight: 600; }
.gradio-container :focus-visible { outline: 3px solid #2563eb !important; outline-offset: 2px; }
"""
# Gradio drops the conditions among its CSS.
HEAD = """
<style>
.gradio-container { overflow: clip !important; }
/* What is seen stays in sight of the sliders: both pictures, or on a small screen the result. */
@media (min-width: 900px) {
  .gradio-container .picture { position: sticky; top: 8px; align-self: flex-start; }
}
@media (max-width: 640px) {
  .gradio-container #after { order: -1; position: sticky; top: 0; z-index: 100;
    background: var(--body-background-fill); }
  .gradio-container #after img { max-height: 36vh; }
}
</style>
<script>
// A number beyond the range becomes the nearest one when its box is left; on Enter, too.
addEventListener('keydown', ({key, target}) => {
  if (key === 'Enter' && target.type === 'number') target.dispatchEvent(new FocusEvent('blur'));
});
</script>
"""


def told(line: str) -> str:
    """Show a line; screen readers say it."""
    return f'<p role="status">{escape(line)}</p>'


def refused(file: Path, error: Exception) -> str:
    """Show why a photograph is refused, by its name alone."""
    reason = f"{file}: does not fit in memory" if isinstance(error, MemoryError) else str(error)
    return f'<p role="alert" class="refused">{escape(reason.replace(str(file), file.name))}</p>'


def figure(when: str, file: Path, uri: str) -> str:
    """Show a picture, before or after, from its data URI."""
    name = f"{when}: {escape(file.name)}"
    return f'<figure><figcaption>{when}</figcaption><img alt="{name}" src="{uri}"></figure>'


def coloured(photo: Photo, wanted: Mapping[ControlName, float]) -> tuple[str, str]:
    """Colour a photograph at screen size; show the picture and the table, or why there is none."""
    try:
        uri, found = photo.after(wanted)
    except (UserError, MemoryError) as error:
        return refused(photo.file, error), ""
    return figure("After", photo.file, uri), table(found)


def table(found: Outcomes) -> str:
    """Show wanted, achieved and reachable values, a row for each statistic, if any."""
    if not found:
        return ""
    reachable = "reachable alone" if len(found) > 1 else "reachable"
    head = "".join(
        f'<th scope="col">{t}</th>' for t in ("statistic", "wanted", "achieved", reachable)
    )
    rows = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f"<td>{number(name, v)}</td>" for v in (o.wanted, o.achieved, o.reachable))
        + "</tr>"
        for name, o in found.items()
    )
    return f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def number(name: ControlName, value: float | None) -> str:
    """Format a value of a statistic; None is the hue of a grey picture."""
    digits = 3 if step(name) < 1 else 1
    return "none: it is grey" if value is None else shown(name, value, digits)


def step(name: ControlName) -> float:
    """Return the step of a slider: a hundredth, or a whole number where the range is wide."""
    return 0.01 if CONTROLS[name].high - CONTROLS[name].low < 10 else 1
