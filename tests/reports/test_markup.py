"""Names, reasons and tags that try to be markup, in every file of a report."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reports.page import write_report
from reports.phase import TrialPhase
from reports.store import default_uri
from reports.tracking import RunUpdate
from reports.words import plain_in_markdown
from tests.support.saved_generators import config, steered, track
from tests.support.trackers import tracker_of

EVIL = "x\n```\n# broken out\n<script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J\u202e"
METRICS = {"eval/mae": 0.1, "eval/saturation": 0.4, "eval/saturation_error": 0.1}
PATH = "=data/a\n```\n# broken out\n\x1b]0;t\x07'\"<b>"


def written(runs: Path, sweep: str, evil: str, path: str) -> dict[str, str]:
    """The files of a report in which everything that a store can hold is ``evil``."""
    uri = default_uri(runs)
    trials = [
        config(dataset="folder", dataset_path=path),
        steered(saturation=0.5).model_copy(
            update={"dataset": "folder", "dataset_path": f"{path} {evil}"}
        ),
    ]
    for index, trial in enumerate(trials):
        run_id = track(runs, sweep, f"={index} {evil}", trial, metrics=METRICS)
        tracker = tracker_of(uri, sweep, runs)
        for tag in ("device", "reason", "dataset_digest"):
            tracker.client.set_tag(run_id, f"colorsweep.{tag}", f"={tag} {evil}")
        versions = json.dumps({f"torch {evil}": evil, evil: "2"})
        tracker.client.set_tag(run_id, "colorsweep.versions", versions)
    failed = steered(hue=0.5)
    tracker.sync(
        RunUpdate(failed.key(), "hue=0.5", 2, failed, runs / "none", TrialPhase.FAILED, f"@{evil}")
    )
    tracker.client.set_experiment_tag(
        tracker.experiment_id, "colorsweep.command", f"colorsweep launch {evil}"
    )
    out = write_report(uri, [sweep], runs / "reports" / sweep).parent
    return {p.name: p.read_bytes().decode() for p in out.iterdir() if p.is_file()}


@pytest.fixture(scope="module")
def evil(tracking_store: tuple[str, Path]) -> dict[str, str]:
    return written(tracking_store[1], "evil", EVIL, PATH)


@pytest.fixture(scope="module")
def harmless(tracking_store: tuple[str, Path]) -> dict[str, str]:
    return written(tracking_store[1], "harmless", "word", "=data/a")


def structure(markdown: str) -> list[tuple[str, int, str]]:
    """The blocks of a text by CommonMark, with tables, and what is within them besides text."""

    def told(token: Token) -> tuple[str, int, str]:
        within = [child.type for child in token.children or () if child.type != "text"]
        return token.type, token.level, f"{token.tag} {[*filter(_counts, within)]}"

    return [told(token) for token in MarkdownIt("commonmark").enable("table").parse(markdown)]


def _counts(kind: str) -> bool:
    return kind != "text_special"  # an escaped character


@pytest.mark.slow
def test_markdown_has_the_structure_that_it_has_with_harmless_names(
    evil: dict[str, str], harmless: dict[str, str]
) -> None:
    assert structure(evil["README.md"]) == structure(harmless["README.md"])
    rendered = MarkdownIt("commonmark").enable("table").render(evil["README.md"])
    headings = re.findall(r"<h1>(.*?)</h1>", rendered)
    assert headings == ["evil"]
    assert "broken out" in rendered
    assert "<script" not in rendered


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def test_the_page_has_the_elements_that_it_has_with_harmless_names(
    evil: dict[str, str], harmless: dict[str, str]
) -> None:
    def elements(text: str) -> list[tuple[str, tuple[str, ...]]]:
        # Of plots, only links and titles: how names are broken into lines depends on their length.
        return [tag for tag in _Tags(text).found if tag[0] not in ("g", "path", "text", "tspan")]

    found = elements(evil["index.html"])
    assert [t for t in found if t[0] in ("script", "img", "b", "a", "title")] == [
        t for t in elements(harmless["index.html"]) if t[0] in ("script", "img", "b", "a", "title")
    ]
    assert not any(name.startswith("on") for _, names in found for name in names)
    (data,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', evil["index.html"]
    )
    assert isinstance(json.loads(data), list)


def test_no_file_has_a_control_character(evil: dict[str, str]) -> None:
    for name, text in evil.items():
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text), name


def test_no_text_of_the_rows_is_a_formula_and_numbers_stay_numbers(evil: dict[str, str]) -> None:
    rows = list(csv.DictReader(io.StringIO(evil["rows.csv"], newline="")))
    assert [row["trial"].partition(" ")[0] for row in rows] == [
        "baseline,",
        "saturation=0.5,",
        "hue=0.5,",
    ]
    assert [row["dataset_path"][:6] for row in rows] == ["'=data", "'=data", ""]
    assert rows[0]["device"].startswith("'=device")
    assert rows[2]["reason"].startswith("'@")
    assert [row["target"] for row in rows] == ["", "0.5", "0.5"]
    for row in rows:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert "\n" not in cell


@pytest.mark.parametrize(
    "text",
    [
        *(
            "# a",
            "- a",
            "+ a",
            "* a",
            "1. a",
            "12) a",
            "---",
            "> a",
            "    a",
            "```",
            "~~~",
            "a\n====",
        ),
        *("[a](http://x)", "![a](x)", "<http://x>", "<b>a</b>", "&copy;", "a  \nb", "`a`", "\\`a`"),
        *("**a**", "_a_", "| a | b |", "[a]: x", "a\\", "$a$"),
    ],
)
def test_text_in_markdown_is_shown_as_it_is(text: str) -> None:
    for start, wrapped in (("", ["p"]), ("- ", ["ul", "li"])):
        html = MarkdownIt("commonmark").render(start + plain_in_markdown(text))
        tags = [t for t in re.findall(r"<(\w+)", html) if t not in ("p", *wrapped)]
        assert tags == []
        shown = "".join(p for p in re.split(r"<[^>]*>", html)).strip()
        plain = " ".join(text.split())
        for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
            plain = plain.replace(character, entity)
        assert shown == plain
