"""Figures that are drawn once and rendered twice: as SVG within the page, and as PNG."""

import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

mpl.use("agg")

INK = "#010203"
"""Colour of text and lines; replaced with the page's text colour in the SVG."""
PAPER = "#fdfefd"
"""Colour behind names; replaced with the page's background in the SVG."""
LEGEND_WIDTH = 64
"""Characters that fit next to each other below a plot; an entry's mark takes the room of 8."""
RULES: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlesize": 11,
    "legend.fontsize": 9,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Point:
    """A trial in a plot."""

    x: float
    y: float
    link: str
    """Anchor on the page that the point links to."""
    name: str


@dataclass(frozen=True)
class Plot:
    """A rendered figure: SVG for the page, PNG for Markdown."""

    name: str
    """File name without suffix."""
    alt: str
    svg: str
    png: bytes


@dataclass
class Drawing:
    """A figure under construction, with the links and names of its points."""

    figure: Figure
    points: dict[str, list[Point]] = field(default_factory=dict)
    """Points by the id of the SVG group that contains them."""

    @classmethod
    def sized(cls, width: float, height: float) -> "Drawing":
        """Begin a figure, sized in inches; this and all drawing need ``rc_context(RULES)``."""
        return cls(Figure(figsize=(width, height)))

    def scatter(self, axes: Axes, points: Sequence[Point], label: str, **style: Any) -> None:
        """Draw trials as points that link to them."""
        if not points:
            return
        gid = f"points-{len(self.points)}"
        self.points[gid] = list(points)
        axes.plot(
            [p.x for p in points],
            [p.y for p in points],
            linestyle="none",
            gid=gid,
            label=in_legend(label),
            **style,
        )

    def legend(self) -> None:
        """Add a legend below the axes; the figure grows by its height."""
        # Placed by hand: matplotlib's layout engine takes as long as all of the drawing.
        (axes,) = self.figure.axes
        handles, labels = axes.get_legend_handles_labels()
        labels = [textwrap.fill(label, LEGEND_WIDTH - 8) for label in labels]
        longest = max(len(line) for label in labels for line in label.splitlines())
        columns = min(3, LEGEND_WIDTH // (longest + 8))
        rows = -(-len(labels) // columns)
        rows += sum(label.count("\n") for label in labels)  # labels wrap only in one column
        width, height = self.figure.get_size_inches()
        height += 0.2 * rows
        self.figure.set_size_inches(width, height)
        self.figure.legend(handles, labels, loc="lower center", ncols=columns)
        ticks = axes.yaxis.get_major_formatter().format_ticks([*axes.get_yticks()])
        digits = max((len(tick) for tick in ticks), default=0)
        self.figure.subplots_adjust(
            left=max(0.7, 0.3 + 0.1 * digits) / width,
            right=1 - 0.25 / width,
            top=1 - 0.15 / height,
            bottom=(0.65 + 0.2 * rows) / height,
        )

    def name_points(self, points: Sequence[tuple[float, float, str]]) -> None:
        """Write names next to points (x, y, name) where there is room; call this last."""
        (axes,) = self.figure.axes
        axes.autoscale_view()
        marks = [axes.transLimits.transform((x, y)) for x, y, _ in points]
        taken = [(u - 0.012, v - 0.016, u + 0.012, v + 0.016) for u, v in marks]
        for (x, y, name), (u, v) in zip(points, marks, strict=True):
            width, height = 0.0155 * len(name), 0.05
            for across, up in product(("left", "right"), ("bottom", "top")):
                left = u + 0.018 if across == "left" else u - 0.018 - width
                low = v + 0.012 if up == "bottom" else v - 0.012 - height
                box = (left, low, left + width, low + height)
                if left < 0 or box[2] > 1.02 or any(_meet(box, other) for other in taken):
                    continue
                axes.annotate(
                    name,
                    (x, y),
                    (5 if across == "left" else -5, 2 if up == "bottom" else -2),
                    textcoords="offset points",
                    ha=across,
                    va=up,
                    fontsize=7.5,
                    bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.3},
                )
                taken.append(box)
                break

    def finish(self, name: str, alt: str) -> Plot:
        """Render the figure as SVG and PNG."""
        png, svg = io.BytesIO(), io.StringIO()
        self.figure.savefig(png, format="png", dpi=110, facecolor="white")
        with mpl.rc_context({"svg.hashsalt": name}):
            self.figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
        return Plot(name, alt, self._for_page(svg.getvalue(), name, alt), png.getvalue())

    def _for_page(self, svg: str, name: str, alt: str) -> str:
        """Prepare the SVG for the page: unique ids, links on points, and the page's colours."""
        svg = svg[svg.index("<svg") :]
        svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
        role = "group" if self.points else "img"  # screen readers ignore links in an img
        svg = svg.replace(INK, "currentColor").replace(PAPER, "var(--page)")
        svg = svg.replace("<svg", f'<svg role="{role}"', 1)
        for gid, points in self.points.items():
            start = svg.index(f'<g id="{gid}">')
            end = svg.index("</g>", svg.index("<use", start))
            svg = svg[:start] + _linked(svg[start:end], points) + svg[end:]
        svg = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', svg)
        svg = re.sub(r'(url\(#|href="#)(?!t-)', rf"\g<1>{name}-", svg)
        return svg.replace(">", f" aria-label={_quoted(alt)}>", 1)


Box = tuple[float, float, float, float]
"""Left, bottom, right and top, in axes coordinates."""


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def in_legend(label: str) -> str:
    """Return a label that matplotlib does not hide for its leading underscore."""
    return f" {label}" if label.startswith("_") else label


def _linked(group: str, points: Sequence[Point]) -> str:
    """Turn each point of an SVG group into a link with a title."""
    left = iter(points)
    assert len(re.findall(r"<use [^>]*/>", group)) == len(points), "each is drawn"

    def link(use: re.Match[str]) -> str:
        point = next(left)
        title = f"<title>{escape(point.name)}</title>"
        return f'<a href="#{point.link}" tabindex="-1">{title}{use[0]}</a>'

    return re.sub(r"<use [^>]*/>", link, group)


def _quoted(text: str) -> str:
    return '"' + escape(text, {'"': "&quot;"}) + '"'
