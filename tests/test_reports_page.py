import base64
import csv
import io
import json
import re
import shutil
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image

from gan.config import Control, TrainConfig
from gan.datasets import Dataset
from gan.errors import UserError
from gan.trainer import Trainer
from reports.page import write_report
from reports.runs import Status
from reports.tracking import SweepTracker, default_uri

BASELINE = TrainConfig(
    base_channels=4, batch_size=8, steps=6, eval_images=12, log_every=2, evaluate_every=3
)
COLUMNS = {"trial", "control", "target", "weight", "achieved", "error", "reachable"} | {
    *("mae", "steps", "epochs", "seconds", "images_per_second")
}


@dataclass(frozen=True)
class Told:
    """A trial as the tracking store is told of it."""

    name: str
    config: TrainConfig
    status: Status
    steps: int
    """Of its directory's newest checkpoint."""
    reason: str = ""


def controlled(**targets: float) -> TrainConfig:
    controls = {name: {"target": target} for name, target in targets.items()}
    return TrainConfig.model_validate(BASELINE.model_dump() | {"controls": controls})


TRIALS = [
    Told("baseline", BASELINE, "FINISHED", 6),
    Told("saturation=0.5", controlled(saturation=0.5), "FINISHED", 6),
    Told("saturation=0.75, hue=0.6", controlled(saturation=0.75, hue=0.6), "KILLED", 3),
    Told("hue=0", controlled(hue=0), "FAILED", 3, "loss/<script>l1</script> became nan"),
    Told("red=1", controlled(red=1), "RUNNING", 0),
]


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def pictures(self) -> list[bytes]:
        sources = [attributes["src"] for tag, attributes in self.tags if tag == "img"]
        start = "data:image/png;base64,"
        assert all(source.startswith(start) for source in sources)
        return [base64.b64decode(s.removeprefix(start), validate=True) for s in sources]


@pytest.fixture(scope="module")
def runs(photos: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sweep, and the directories of its trials."""
    runs = tmp_path_factory.mktemp("runs")
    tracker = SweepTracker(default_uri(runs), "mixed", runs)
    SweepTracker(default_uri(runs), "empty", runs)
    for index, trial in enumerate(TRIALS):
        directory = runs / "sweeps" / trial.config.key()
        if trial.steps:
            config = trial.config.model_copy(update={"steps": trial.steps})
            assert Trainer(config, photos, torch.device("cpu")).fit(directory)
        tracker.sync(
            key=trial.config.key(),
            name=trial.name,
            index=index,
            config=trial.config,
            directory=directory,
            status=trial.status,
            reason=trial.reason,
        )
    begun = SweepTracker(default_uri(runs), "begun", runs)
    begun.sync(
        key="0123456789",
        name="baseline",
        index=0,
        config=BASELINE,
        directory=runs / "nothing",
        status="RUNNING",
    )
    return runs


@pytest.fixture(scope="module")
def report(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the sweep's report."""
    out = tmp_path_factory.mktemp("report") / "new" / "deep"
    assert write_report(default_uri(runs), "mixed", out) == out / "index.html"
    return out


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page((report / "index.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def readme(report: Path) -> str:
    return (report / "README.md").read_text(encoding="utf-8")


def evaluated(runs: Path, trial: Told) -> dict[str, float]:
    """The last evaluation of a trial, from its own directory."""
    file = runs / "sweeps" / trial.config.key() / "checkpoints" / f"step-{trial.steps:08}"
    history = json.loads((file / "trial.json").read_text())["history"]
    point: dict[str, float] = [p["metrics"] for p in history if "eval/mae" in p["metrics"]][-1]
    return point


def sample(runs: Path, trial: Told) -> bytes:
    directory = runs / "sweeps" / trial.config.key()
    return (directory / "samples" / f"step-{trial.steps:08}.png").read_bytes()


def test_the_page_needs_nothing_but_itself(report: Path, page: Page) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    for tag, attributes in page.tags:
        assert tag not in ("script", "iframe", "object", "embed", "base")
        for name in ("src", "href", "srcset", "data", "poster", "background"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
        assert "url(" not in attributes.get("style", "")
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    assert style
    assert "@import" not in style
    assert "url(" not in style


def test_the_page_opens_from_elsewhere(report: Path, tmp_path: Path) -> None:
    alone = shutil.copy(report / "index.html", tmp_path)
    pictures = Page(Path(alone).read_text(encoding="utf-8")).pictures()
    assert pictures
    for picture in pictures:
        Image.open(io.BytesIO(picture)).verify()


def test_the_page_has_a_section_for_each_trial_with_its_newest_samples(
    runs: Path, report: Path, page: Page
) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    for trial in TRIALS:
        (section,) = re.findall(
            rf'<section id="{trial.config.key()}">(.*?)</section>', text, re.DOTALL
        )
        shown = Page(section)
        assert trial.name in shown.text
        assert f"({trial.steps} steps = " in shown.text
        assert shown.pictures() == ([sample(runs, trial)] if trial.steps else [])


def test_unfinished_trials_are_shown_as_such(page: Page, report: Path, readme: str) -> None:
    assert "2 of 5 trials finished" in page.text
    assert "2 of 5 trials finished" in readme
    text = (report / "index.html").read_text(encoding="utf-8")
    for trial in TRIALS:
        section = text.split(f'<section id="{trial.config.key()}">')[1].split("</section>")[0]
        words = {word for word in ("killed", "failed", "running") if word in Page(section).text}
        assert words == ({trial.status.lower()} if trial.status != "FINISHED" else set())
    assert "Not evaluated yet" in section


def test_a_reason_is_shown_as_text(page: Page) -> None:
    assert "failed: loss/<script>l1</script> became nan" in page.text


def test_each_strip_is_a_trials_colorization_of_the_same_pictures(runs: Path, page: Page) -> None:
    begun = [trial for trial in TRIALS if trial.steps]
    strips = page.pictures()[: 2 + len(begun)]
    grids = [Image.open(io.BytesIO(sample(runs, trial))) for trial in begun]
    third = (grids[0].height + 4) // 3  # three rows with 4 pixels between
    wanted = [grids[0].crop((0, top, grids[0].width, top + third - 4)) for top in (0, third)]
    wanted += [g.crop((0, 2 * third, g.width, 3 * third - 4)) for g in grids]
    for strip, picture in zip(strips, wanted, strict=True):
        shown = Image.open(io.BytesIO(strip))
        assert (shown.size, shown.tobytes()) == (picture.size, picture.tobytes())


def test_the_readme_has_a_heading_for_each_trial_with_its_targets(readme: str) -> None:
    headings = [line.removeprefix("### ") for line in readme.splitlines() if line[:4] == "### "]
    assert [set(heading.split(", ")) for heading in headings] == [
        {"Without control"},
        {r"$\sigma_S = 0.5$"},
        {r"$\sigma_S = 0.75$", r"$\sigma_H = 0.6$"},
        {r"$\sigma_H = 0.0$"},
        {r"$\sigma_R = 1.0$"},
    ]


def test_every_picture_of_the_readme_is_there_and_sound(
    runs: Path, report: Path, readme: str
) -> None:
    named = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", readme)
    assert len(named) == 4 + 2, "a grid for each evaluated trial, the overview and the plot"
    assert set(named) == {f"images/{p.name}" for p in (report / "images").iterdir()}
    grids = {sample(runs, trial) for trial in TRIALS if trial.steps}
    for name in named:
        content = (report / name).read_bytes()
        picture = Image.open(io.BytesIO(content))
        picture.load()
        assert (picture.format, min(picture.size) > 90) == ("PNG", True)
        grids.discard(content)
    assert not grids


def test_the_readmes_tables_are_tables(readme: str) -> None:
    blocks = [b for b in readme.split("\n\n") if b.strip().startswith("|")]
    tables = [block.strip().splitlines() for block in blocks]
    # Two lines of head each: a row for each control; for each trial; for each trial.
    assert [len(table) for table in tables] == [2 + 5, 2 + 5, 2 + 5]
    for table in tables:
        assert {line.count("|") for line in table} == {table[0].count("|")}
        assert all(line.startswith("|") for line in table)


def test_the_rows_say_what_each_trial_wanted_and_measured(
    runs: Path, report: Path, photos: Dataset
) -> None:
    with (report / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) >= COLUMNS
    by_trial = {(row["trial"], row["control"]): row for row in rows}
    assert len(by_trial) == len(rows) == 6
    for trial in TRIALS:
        controls: list[tuple[str, Control | None]] = [*trial.config.controls.items()]
        for name, control in controls or [("", None)]:
            row = by_trial[trial.name, name]
            assert int(row["steps"]) == trial.steps
            assert row["target"] == ("" if control is None else str(control.target))
            assert row["weight"] == ("" if control is None else str(control.weight))
            if not trial.steps:
                assert (row["achieved"], row["mae"]) == ("", "")
                continue
            metrics = evaluated(runs, trial)
            assert float(row["mae"]) == metrics["eval/mae"]
            assert float(row["epochs"]) == pytest.approx(trial.steps * 8 / len(photos.train))
            speed = trial.steps * 8 / float(row["seconds"])
            assert float(row["images_per_second"]) == pytest.approx(speed)
            for column, key in (("achieved", ""), ("error", "_error"), ("reachable", "_reachable")):
                if control is not None:
                    assert float(row[column]) == metrics[f"eval/{name}{key}"]


def test_the_page_and_the_readme_show_the_rows(report: Path, page: Page, readme: str) -> None:
    with (report / "rows.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            shown = ("target", "achieved", "error", "error_p90", "reachable", "reachable_error")
            for column in (*shown, "mae", "ssim", "accuracy_2", "accuracy_5"):
                if row[column]:
                    assert f"{float(row[column]):.3f}" in page.text
                    assert f" {float(row[column]):.3f} " in readme


def test_a_report_can_be_written_again(runs: Path, report: Path, tmp_path: Path) -> None:
    shutil.copytree(report, tmp_path, dirs_exist_ok=True)
    (tmp_path / "index.html").write_text("an older page")
    write_report(default_uri(runs), "mixed", tmp_path)
    for file in report.rglob("*"):
        if file.is_file():
            assert (tmp_path / file.relative_to(report)).read_bytes() == file.read_bytes()


def test_a_sweep_without_an_evaluation_has_a_page_without_pictures(
    runs: Path, tmp_path: Path
) -> None:
    page = Page(write_report(default_uri(runs), "begun", tmp_path).read_text(encoding="utf-8"))
    assert "No trial has been evaluated yet" in page.text
    assert page.pictures() == []
    assert not list((tmp_path / "images").iterdir())


def test_a_sweep_without_a_trial_is_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="empty: no trial has started yet"):
        write_report(default_uri(runs), "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_sweep_is_refused_with_those_that_are(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are: begun, empty, mixed"):
        write_report(default_uri(runs), "mxed", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_refused(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="--out: cannot write to"):
        write_report(default_uri(runs), "begun", tmp_path / "file" / "out")
