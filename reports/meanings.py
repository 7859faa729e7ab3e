"""Meanings of the words and signs of a report's verdict and pictures. Pure functions."""

from collections.abc import Sequence

from reports import columns
from reports.methods import Method

RAW = ("Raw", "a generator's own output")
EXACT = (
    "Exact control",
    "moves the colours of each finished picture to the target, as far as its lightness allows",
)
ERROR = ("Error", columns.ERROR)
RIVAL = (
    "Recoloured baseline",
    "the output of a training without control, after exact control: what steering has to beat",
)
FITTED = ("Fitted original", "the photograph itself, moved to the target by exact control")
WEIGHT = ("λ, NAME.weight", "weight of a control's penalty in the training, as in the sweep file")
INTERVAL = (
    "[ ]",
    "interval that holds 95 %, by bootstrap over photographs, not over crops; beyond the "
    "intervals: they have no value in common",
)
SPREAD = (
    "±",
    "standard deviation over seeds (of several targets its root mean square); beyond the spread: "
    "by more than the sum of both, and in the same direction everywhere; within it: less",
)
PICTURES = ("Other pictures", "methods that were measured on them are not compared")


def of(found: Sequence[Method]) -> list[tuple[str, str]]:
    """Return the words and signs that a report on some methods uses, each with its meaning."""
    cells = [cell for method in found for cell in method.cells.values()]
    values = [value for cell in cells for value in (cell.error, cell.kid) if value is not None]
    said = {
        RAW: bool(found),
        EXACT: bool(found),
        ERROR: bool(found),
        ("KID", columns.KID): any(cell.kid for cell in cells),
        ("JS", columns.JS): any(cell.js and not cell.kid for cell in cells),
        RIVAL: any(method.is_rival for method in found),
        FITTED: bool(found),
        WEIGHT: any(name.startswith("λ of ") for m in found for name, _ in m.settings),
        INTERVAL: any(value.low is not None for value in values),
        SPREAD: any(cell.error.spread is not None for cell in cells),
        PICTURES: len({aim.pictures for method in found for aim in method.cells}) > 1,
    }
    return [word for word, is_used in said.items() if is_used]
