"""Tables of a report: controls, quality, all rows, and trainings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.pairs import Pair, pairs
from reports.phase import TrialPhase
from reports.rows import Row, shown
from reports.tables import ABSENT, Column, Line, Table, Value, duration, number, shortest

Show = Callable[[Value], str]


@dataclass(frozen=True)
class _Of:
    """A column, and how to get and format its value for a pair of rows."""

    column: Column
    value: Callable[[Pair], Value]
    show: Show
    detail: Callable[[Pair], str] = lambda _: ""
    """Text that follows the value, such as its interval."""


def _word(value: Value) -> str:
    return ABSENT if value is None else str(value)


def _percent(value: Value) -> str:
    return ABSENT if value is None else f"{float(value):.1%}".replace("%", " %")


def _duration(value: Value) -> str:
    return ABSENT if value is None else duration(float(value))


def _both(
    title: str, meaning: str, get: Callable[[Row], Value], show: Show, *, interval: bool = False
) -> list[_Of]:
    """Make two columns: one for raw outputs, one for outputs after exact control."""

    def raw(pair: Pair) -> Value:
        return None if pair.raw is None else get(pair.raw)

    def exact(pair: Pair) -> Value:
        return None if pair.exact is None else get(pair.exact)

    return [
        _Of(
            Column(f"{title} raw", meaning),
            raw,
            show,
            lambda pair: _kid_interval(pair.raw) if interval else "",
        ),
        _Of(
            Column(f"{title} exact", "the same after exact control"),
            exact,
            show,
            lambda pair: _kid_interval(pair.exact) if interval else "",
        ),
    ]


def _kid_interval(row: Row | None) -> str:
    if row is None or row.kid_low is None or row.kid_high is None:
        return ""
    return f" [{row.kid_low:.0f}, {row.kid_high:.0f}]"


def _row(get: Callable[[Row], Value]) -> Callable[[Pair], Value]:
    return lambda pair: get(pair.either)


def _marks(row: Row) -> str:
    return " ★" * row.best + " †" * row.other_pictures


def _achieved(row: Row) -> Value:
    achieved = row.achieved
    return None if achieved is None else float(shown(row.control, achieved, 3))


def _steered_way(row: Row) -> Value:
    return row.way if row.control else None


REACHABLE = _Of(
    Column(
        "Reachable",
        "the nearest value that any colouring of the same lightness can have, mean over the "
        "images (for colourfulness a bound that few images reach)",
    ),
    _row(lambda row: row.reachable),
    number(),
)
ACHIEVED = "mean over the held-out images"
ERROR = "mean over the held-out images of |achieved − wanted|, around the circle for hue"
TO_REACHABLE = "mean distance of each image from its own nearest value"
LAMBDA = _Of(Column("λ", "lambda, its weight in the loss"), _row(lambda r: r.weight), shortest)
KID = (
    "kernel inception distance × 1000 from the fitted originals (the photographs, moved to the "
    "same target), with its 95 % interval over photographs; lower is more natural"
)
TRIAL = _Of(Column("Trial", text=True), _row(lambda row: row.trial + _marks(row)), _word)
SWEEP = _Of(Column("Sweep", text=True), _row(lambda row: row.sweep), _word)
AIM = [
    _Of(Column("Control", text=True), _row(lambda row: row.control), _word),
    _Of(Column("Wanted", "sigma, the target"), _row(lambda row: row.target), number()),
]
OWN_KID = _Of(
    Column("KID", KID),
    _row(lambda row: row.kid),
    number(0),
    lambda pair: _kid_interval(pair.either),
)
DECISIVE = [
    *_both("Achieved", ACHIEVED, _achieved, number()),
    *_both("Error", ERROR, lambda row: row.error, number()),
    *_both("KID", KID, lambda row: row.kid, number(0), interval=True),
    *_both("To reachable", TO_REACHABLE, lambda row: row.reachable_error, number()),
    REACHABLE,
    LAMBDA,
]
CONTROL = [
    *AIM,
    _Of(
        Column("Output", "raw: the generator's own output; exact: after exact control", text=True),
        _row(_steered_way),
        _word,
    ),
    _Of(Column("Achieved", ACHIEVED), _row(_achieved), number()),
    _Of(Column("Error", ERROR), _row(lambda row: row.error), number()),
    OWN_KID,
    _Of(
        Column("Error 90 %", "its 90th percentile, below the mean where few images are far off"),
        _row(lambda row: row.error_p90),
        number(),
    ),
    REACHABLE,
    _Of(Column("To reachable", TO_REACHABLE), _row(lambda row: row.reachable_error), number()),
    _Of(
        Column("To reachable 90 %", "its 90th percentile"),
        _row(lambda row: row.reachable_error_p90),
        number(),
    ),
    LAMBDA,
]
NATURAL = [
    _Of(
        Column("JS", "divergence of the joint ab histograms from the fitted originals', in [0, 1]"),
        _row(lambda row: row.js_divergence),
        number(),
    ),
    _Of(
        Column("ΔE00 fitted", "CIEDE2000 from the fitted originals"),
        _row(lambda row: row.fitted_ciede2000),
        number(1),
    ),
    _Of(
        Column("Spread", "spread of the images' mean hues; 0 is one tint over all"),
        _row(lambda row: row.hue_spread),
        number(2),
    ),
    _Of(
        Column("Spread fitted", "the same of the fitted originals"),
        _row(lambda row: row.fitted_hue_spread),
        number(2),
    ),
    _Of(
        Column("R", "how much the pixels of a colorized image agree in hue: 0 not, 1 wholly"),
        _row(lambda row: row.hue_resultant),
        number(2),
    ),
    _Of(
        Column("R natural", "the same of photographs that have the target's value naturally"),
        _row(lambda row: row.natural_hue_resultant),
        number(2),
    ),
    _Of(
        Column("KID natural", "KID × 1000 from photographs that have the value naturally"),
        _row(lambda row: row.kid_natural),
        number(0),
    ),
    _Of(
        Column(
            "Lattice", "dots of a period of 2 and 4 pixels, as a colour difference; seen at 1.5"
        ),
        _row(lambda row: row.lattice_amplitude),
        number(1),
    ),
]
QUALITY = [
    _Of(
        Column(
            "Cross-talk",
            "mean distance from the originals of the statistics that are not controlled, in parts "
            "of their ranges",
        ),
        _row(lambda row: row.crosstalk),
        _percent,
    ),
    _Of(Column("MAE", "of RGB in [0, 1]"), _row(lambda row: row.mae), number()),
    _Of(Column("PSNR", "dB"), _row(lambda row: row.psnr), number(1)),
    _Of(Column("SSIM"), _row(lambda row: row.ssim), number()),
    _Of(Column("ΔE00", "CIEDE2000"), _row(lambda row: row.ciede2000), number(1)),
    _Of(
        Column("Acc. 2 %", "share of pixels within 2 % of the original in L, a and b"),
        _row(lambda row: row.accuracy_2),
        number(),
    ),
    _Of(Column("Acc. 5 %", "the same, within 5 %"), _row(lambda row: row.accuracy_5), number()),
    _Of(Column("FID"), _row(lambda row: row.fid), number(1)),
    _Of(
        Column("Colourf.", "colourfulness of Hasler and Süsstrunk, of the colorized images alone"),
        _row(lambda row: row.colourfulness),
        number(1),
    ),
]
PHASE = _Of(Column("Phase", text=True), _row(lambda row: row.phase), _word)


def _trained(get: Callable[[Row], Value]) -> Callable[[Pair], Value]:
    """Return a getter that skips recoloured trials, whose training is their baseline's."""
    return lambda pair: None if pair.either.recoloured else get(pair.either)


TRAINING = [
    _Of(Column("Trial", text=True), _row(lambda r: r.training + " †" * r.other_pictures), _word),
    _Of(Column("Steps"), _trained(lambda row: row.steps), _word),
    _Of(Column("Epochs"), _trained(lambda row: row.epochs), number(1)),
    _Of(
        Column("Time", "of counted steps, with their evaluations"),
        _trained(lambda row: row.seconds),
        _duration,
    ),
    _Of(Column("Restarts", "after deaths"), _trained(lambda row: row.restarts), _word),
    _Of(
        Column("Goodput", "share of the time on workers that went into steps that counted"),
        _trained(lambda row: row.goodput),
        _percent,
    ),
    _Of(Column("Device", text=True), _trained(lambda row: row.device), _word),
    _Of(Column("Taken over from", text=True), _row(lambda row: row.taken_over_from), _word),
    PHASE,
]


def of_controls(table: Sequence[Row]) -> Table:
    """Return a table with a line per trial, target and control: raw and after exact control."""
    return _table(pairs([row for row in table if row.control]), [TRIAL, *AIM, *DECISIVE, PHASE])


def of_quality(table: Sequence[Row]) -> Table:
    """Return a table with a line per trial, target and way: naturalness and image quality."""
    first: dict[object, Row] = {}
    for row in table:
        first.setdefault((row.sweep, row.key, row.targets, row.way), row)
    way = _Of(Column("Output", text=True), _row(_steered_way), _word)
    parts = [TRIAL, way, OWN_KID, *NATURAL, *QUALITY]
    return _table([_alone(row) for row in first.values()], parts)


def of_all(table: Sequence[Row]) -> Table:
    """Return a table of all measurements, with a line per row."""
    return _table([_alone(row) for row in table], [TRIAL, *CONTROL, *NATURAL, *QUALITY, PHASE])


def of_trainings(table: Sequence[Row]) -> Table:
    """Return a table with a line per trial: how it was trained."""
    first: dict[object, Row] = {}
    for row in table:
        first.setdefault((row.sweep, row.key), row)
    return _table([_alone(row) for row in first.values()], TRAINING)


def _alone(row: Row) -> Pair:
    return Pair(row, None) if row.way == "raw" else Pair(None, row)


def _table(table: Sequence[Pair], parts: list[_Of]) -> Table:
    """Make a table, without columns that have no known value."""
    if len({pair.either.sweep for pair in table}) > 1:
        parts = [SWEEP, *parts]
    kept = [part for part in parts if any(part.value(pair) is not None for pair in table)]
    first = {pair.either.anchor: i for i, pair in reversed([*enumerate(table)])}
    return Table(
        [part.column for part in kept],
        [
            Line(
                [part.show(part.value(pair)) + part.detail(pair) for part in kept],
                [part.value(pair) for part in kept],
                pair.either.anchor if first[pair.either.anchor] == i else "",
                "" if pair.either.phase is TrialPhase.FINISHED else pair.either.phase,
            )
            for i, pair in enumerate(table)
        ],
    )
