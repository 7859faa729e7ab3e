"""Columns of the tables of a report's rows."""

from collections.abc import Callable
from dataclasses import dataclass

from reports.pairs import Pair
from reports.rows import Row, shown
from reports.tables import ABSENT, Column, Value, duration, number, shortest

Show = Callable[[Value], str]


@dataclass(frozen=True)
class Part:
    """A column, and how to get and format its value for a pair of rows."""

    column: Column
    value: Callable[[Pair], Value]
    show: Show
    detail: Callable[[Pair], str] = lambda _: ""
    """Text that follows the value, such as its interval."""


def word(value: Value) -> str:
    """Format a value as it is; None becomes a dash."""
    return ABSENT if value is None else str(value)


def _percent(value: Value) -> str:
    return ABSENT if value is None else f"{float(value):.1%}".replace("%", " %")


def _duration(value: Value) -> str:
    return ABSENT if value is None else duration(float(value))


def _both(
    title: str,
    meaning: str,
    get: Callable[[Row], Value],
    show: Show,
    quantity: str = "",
    *,
    interval: bool = False,
) -> list[Part]:
    """Make two columns: one for raw outputs, one for outputs after exact control."""

    def raw(pair: Pair) -> Value:
        return None if pair.raw is None else get(pair.raw)

    def exact(pair: Pair) -> Value:
        return None if pair.exact is None else get(pair.exact)

    return [
        Part(
            Column(f"{title} raw", meaning, quantity=quantity),
            raw,
            show,
            lambda pair: _kid_interval(pair.raw) if interval else "",
        ),
        Part(
            Column(f"{title} exact", "the same after exact control", quantity=quantity),
            exact,
            show,
            lambda pair: _kid_interval(pair.exact) if interval else "",
        ),
    ]


def _kid_interval(row: Row | None) -> str:
    if row is None or row.kid_low is None or row.kid_high is None:
        return ""
    return f" [{row.kid_low:.0f},\N{NO-BREAK SPACE}{row.kid_high:.0f}]"


def _row(get: Callable[[Row], Value]) -> Callable[[Pair], Value]:
    return lambda pair: get(pair.either)


def _marks(row: Row) -> str:
    return " ★" * row.best + " †" * row.other_pictures


def _achieved(row: Row) -> Value:
    achieved = row.achieved
    return None if achieved is None else float(shown(row.control, achieved, 3))


def _steered_way(row: Row) -> Value:
    return row.way if row.control else None


REACHABLE = Part(
    Column(
        "Reachable",
        "the nearest value that any colouring of the same lightness can have, mean over the "
        "images (for colourfulness a bound that few images reach)",
        quantity="value",
    ),
    _row(lambda row: row.reachable),
    number(),
)
ACHIEVED = "mean over the held-out images"
ERROR = "mean over the held-out images of |achieved − wanted|, around the circle for hue"
TO_REACHABLE = "mean distance of each image from its own nearest value"
LAMBDA = Part(Column("λ", "lambda, its weight in the loss"), _row(lambda r: r.weight), shortest)
KID = (
    "kernel inception distance × 1000 from the fitted originals (the photographs, moved to the "
    "same target), with its 95 % interval over photographs; lower is more natural"
)
TRIAL = Part(Column("Trial", text=True), _row(lambda row: row.trial + _marks(row)), word)
SWEEP = Part(Column("Sweep", text=True), _row(lambda row: row.sweep), word)
AIM = [
    Part(Column("Control", text=True), _row(lambda row: row.control), word),
    Part(
        Column("Wanted", "sigma, the target", quantity="value"),
        _row(lambda row: row.target),
        number(),
    ),
]
OWN_KID = Part(
    Column("KID", KID),
    _row(lambda row: row.kid),
    number(0),
    lambda pair: _kid_interval(pair.either),
)
JS = "divergence of the joint ab histograms from the fitted originals', in [0, 1]"
DECISIVE = [
    REACHABLE,
    *_both("Achieved", ACHIEVED, _achieved, number(), "value"),
    *_both("Error", ERROR, lambda row: row.error, number(), "error"),
]
NATURALNESS = _both("KID", KID, lambda row: row.kid, number(0), interval=True)
MIX = _both("JS", JS, lambda row: row.js_divergence, number())
"""Stand-in for ``NATURALNESS`` where KID was not measured."""
CONTROL = (
    [
        *AIM,
        Part(
            Column(
                "Output", "raw: the generator's own output; exact: after exact control", text=True
            ),
            _row(_steered_way),
            word,
        ),
        REACHABLE,
        Part(Column("Achieved", ACHIEVED, quantity="value"), _row(_achieved), number()),
        Part(Column("Error", ERROR, quantity="error"), _row(lambda row: row.error), number()),
        OWN_KID,
    ],
    [
        Part(
            Column(
                "Error 90 %",
                "its 90th percentile, below the mean where few images are far off",
                quantity="error",
            ),
            _row(lambda row: row.error_p90),
            number(),
        ),
        Part(
            Column("To reachable", TO_REACHABLE, quantity="error"),
            _row(lambda row: row.reachable_error),
            number(),
        ),
        Part(
            Column("To reachable 90 %", "its 90th percentile", quantity="error"),
            _row(lambda row: row.reachable_error_p90),
            number(),
        ),
        LAMBDA,
    ],
)
"""What decides, and the rest."""
NATURAL = [
    Part(
        Column("JS", JS),
        _row(lambda row: row.js_divergence),
        number(),
    ),
    Part(
        Column("ΔE00 fitted", "CIEDE2000 from the fitted originals"),
        _row(lambda row: row.fitted_ciede2000),
        number(1),
    ),
    Part(
        Column("Spread", "spread of the images' mean hues; 0 is one tint over all"),
        _row(lambda row: row.hue_spread),
        number(2),
    ),
    Part(
        Column("Spread fitted", "the same of the fitted originals"),
        _row(lambda row: row.fitted_hue_spread),
        number(2),
    ),
    Part(
        Column("R", "how much the pixels of a colorized image agree in hue: 0 not, 1 wholly"),
        _row(lambda row: row.hue_resultant),
        number(2),
    ),
    Part(
        Column("R natural", "the same of photographs that have the target's value naturally"),
        _row(lambda row: row.natural_hue_resultant),
        number(2),
    ),
    Part(
        Column("KID natural", "KID × 1000 from photographs that have the value naturally"),
        _row(lambda row: row.kid_natural),
        number(0),
    ),
    Part(
        Column(
            "Lattice", "dots of a period of 2 and 4 pixels, as a colour difference; seen at 1.5"
        ),
        _row(lambda row: row.lattice_amplitude),
        number(1),
    ),
]
QUALITY = [
    Part(
        Column(
            "Cross-talk",
            "mean distance from the originals of the statistics that are not controlled, in parts "
            "of their ranges",
        ),
        _row(lambda row: row.crosstalk),
        _percent,
    ),
    Part(Column("MAE", "of RGB in [0, 1]"), _row(lambda row: row.mae), number()),
    Part(Column("PSNR", "dB"), _row(lambda row: row.psnr), number(1)),
    Part(Column("SSIM"), _row(lambda row: row.ssim), number()),
    Part(Column("ΔE00", "CIEDE2000"), _row(lambda row: row.ciede2000), number(1)),
    Part(
        Column("Acc. 2 %", "share of pixels within 2 % of the original in L, a and b"),
        _row(lambda row: row.accuracy_2),
        number(),
    ),
    Part(Column("Acc. 5 %", "the same, within 5 %"), _row(lambda row: row.accuracy_5), number()),
    Part(Column("FID"), _row(lambda row: row.fid), number(1)),
    Part(
        Column("Colourf.", "colourfulness of Hasler and Süsstrunk, of the colorized images alone"),
        _row(lambda row: row.colourfulness),
        number(1),
    ),
]
PHASE = Part(Column("Phase", text=True), _row(lambda row: row.phase), word)


def _trained(get: Callable[[Row], Value]) -> Callable[[Pair], Value]:
    """Return a getter that skips recoloured trials, whose training is their baseline's."""
    return lambda pair: None if pair.either.recoloured else get(pair.either)


TRAINING = [
    Part(
        Column("Trial", text=True),
        _row(lambda row: row.training + " †" * row.other_pictures),
        word,
    ),
    Part(Column("Steps"), _trained(lambda row: row.steps), word),
    Part(Column("Epochs"), _trained(lambda row: row.epochs), number(1)),
    Part(
        Column("Time", "of counted steps, with their evaluations"),
        _trained(lambda row: row.seconds),
        _duration,
    ),
    Part(Column("Restarts", "after deaths"), _trained(lambda row: row.restarts), word),
    Part(
        Column("Goodput", "share of the time on workers that went into steps that counted"),
        _trained(lambda row: row.goodput),
        _percent,
    ),
    Part(Column("Device", text=True), _trained(lambda row: row.device), word),
    Part(Column("Taken over from", text=True), _row(lambda row: row.taken_over_from), word),
    PHASE,
]
