"""Mistakes in a sweep file, told all at once, each with its line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gan.errors import UserError
from gan.plain_text import printable
from orchestrator.sweep.core_yaml import Document

MOST = 20
"""Number of mistakes that are told at most."""
Place = tuple[object, ...]
"""Keys and indices that lead to a value of the file: ``("points", 1, "hue")``."""


@dataclass(frozen=True)
class Mistake:
    """Mistake at one place of a sweep file."""

    place: Place
    line: int
    """Line in the file, from 1; 0 if it concerns no line more than others."""
    where: str
    message: str
    of_whole: bool
    """Whether it is seen only in all settings of a trial together."""


class Mistakes(UserError):
    """Mistakes in one sweep file, to be collected, and raised if there are any."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path
        self._found: dict[tuple[int, Place, str], Mistake] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def __str__(self) -> str:
        return "; ".join(self.lines)

    @property
    def lines(self) -> list[str]:
        """The lines to show, in the order of the file."""
        found = sorted(self._found.values(), key=lambda mistake: mistake.line)
        lines = []
        for mistake in found[:MOST]:
            at = f"{self.path}:{mistake.line}" if mistake.line else str(self.path)
            lines.append(printable(f"{at}: {mistake.where}: {mistake.message}"))
        if len(found) > MOST:
            lines.append(printable(f"{self.path}: and {len(found) - MOST} more mistakes"))
        return lines

    def add(self, mistake: Mistake) -> None:
        """Add a mistake, unless the same was found at this place of the file before."""
        place = mistake.place[:1] if mistake.place[:1] == ("axes",) else mistake.place
        self._found.setdefault((mistake.line, place, mistake.message), mistake)

    def concern(self, place: Place) -> bool:
        """Whether a mistake is at a place of the file, or within it."""
        return any(mistake.place[: len(place)] == place for mistake in self._found.values())

    def concern_more_than(self, sections: Sequence[str], place: Place) -> bool:
        """Whether a mistake is outside of ``sections``, or at ``place``."""
        outside = any(m.place[:1] not in {(s,) for s in sections} for m in self._found.values())
        return outside or self.concern(place)

    def copy(self) -> "Mistakes":
        """Return the mistakes so far."""
        mistakes = Mistakes(self.path)
        mistakes.include(self)
        return mistakes

    def include(self, others: "Mistakes", *, values_alone: bool = False) -> None:
        """Add other mistakes; with ``values_alone`` not those of all settings together."""
        for mistake in others._found.values():
            if not (values_alone and mistake.of_whole):
                self.add(mistake)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """End the context at the first mistake raised within it, and add that."""
        try:
            yield
        except Mistakes as raised:
            self.include(raised)

    def raise_any(self) -> None:
        """Raise the mistakes, if there are any."""
        if self:
            raise self


@dataclass(frozen=True)
class SweepFile:
    """Sweep file as parsed, which tells where a mistake is."""

    path: Path
    document: Document

    def mistake(
        self, place: Place, message: str, *, where: str = "", of_whole: bool = False
    ) -> Mistakes:
        """Return the mistake at a place, which ``where`` may name otherwise, to be raised."""
        line = self.document.line_of(place)
        mistakes = Mistakes(self.path)
        mistakes.add(Mistake(place, line, where or shown(place), message, of_whole))
        return mistakes


def shown(place: Place) -> str:
    """Return a place as text: ``points[1].hue``."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(parts).removeprefix(".") or "the file"
