"""Several numbers at once: a picture each, contact sheets, animations, one move for all frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.inference.jobs import OutputOptions, plan_jobs, variants
from tests.support.cli import assert_refused, files
from tests.support.cli_flags import call
from tests.support.saved_generators import photograph, save, steered


def saturation(file: Path | str) -> float:
    with Image.open(file) as image:
        rgb = np.asarray(image.convert("RGB"), np.float64)
    return float((np.ptp(rgb, 2) / rgb.max(axis=2).clip(1)).mean())


def test_each_number_has_a_picture_of_its_own(here: Path) -> None:
    before = files(here)
    result = call("colorize", "in/a.png", "--generator", "generator", "--saturation", "0.1:0.4:3")
    assert (result.exit_code, result.stderr) == (0, "")
    written = sorted(Path(name).name for name in files(here).keys() - before.keys())
    numbers = ("0.1", "0.25", "0.4")
    assert written == [f"a-colorized-saturation-{number}.png" for number in numbers]
    for number in numbers:
        found = saturation(f"in/a-colorized-saturation-{number}.png")
        assert found == pytest.approx(float(number), abs=0.005)
        assert f"saturation {number} wanted, " in result.stdout
    assert result.stdout.count("generator: generator\n") == 1
    # What was written is no input, and is replaced on request only.
    jobs, _ = plan_jobs([Path("in")], OutputOptions(suffix="-colorized"))
    assert [str(job.picture) for job in jobs] == ["in/a.png", "in/b.jpg", "in/below/a.png"]
    again = call("colorize", "in/a.png", "--generator", "generator", "--saturation", "0.25,0.3")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "in/a-colorized-saturation-0.25.png is there already; --overwrite" in again.stderr


def test_several_statistics_form_a_grid_named_by_what_varies() -> None:
    grid = [{"saturation": s, "hue": h, "red": 0.5} for s in (0.2, 0.4) for h in (0.0, 1 / 3)]
    assert variants(grid) == (
        *("-saturation-0.2-hue-0", "-saturation-0.2-hue-0.333333333333"),
        *("-saturation-0.4-hue-0", "-saturation-0.4-hue-0.333333333333"),
    )
    assert variants([{"saturation": 0.2}]) == variants([{}]) == ("",)


def test_a_strip_and_an_animation_are_written_beside_the_pictures(here: Path) -> None:
    command = ["colorize", "in/a.png", "--generator", "generator", "--out", "out"]
    result = call(*command, "--saturation", "0,0.2,0.4", "--strip", "--animation")
    assert (result.exit_code, result.stderr) == (0, "")
    assert {file.name for file in Path("out").iterdir()} == {
        *("a-saturation-0.png", "a-saturation-0.2.png", "a-saturation-0.4.png"),
        *("a-strip.png", "a-animation.webp"),
    }
    with Image.open("out/a-animation.webp") as moving:
        frames = getattr(moving, "n_frames", 1)
        assert (frames, moving.info["loop"], moving.size) == (4, 0, (256, 192))
    with Image.open("out/a-strip.png") as image:
        sheet = np.asarray(image, np.float64)
    # Four panels in a row, the first two of them grey, each more colourful than the one before.
    panels = [np.ptp(part, axis=2).mean() for part in np.array_split(sheet, 4, axis=1)]
    assert max(panels[:2]) < 1.5
    assert panels[1] + 5 < panels[2] < panels[3]
    labels = sheet[-40:]
    assert all((part < 100).any() for part in np.array_split(labels, 4, axis=1))
    again = call(*command, "--saturation", "0.6", "--strip")
    assert "out/a-strip.png is there already" in again.stderr


def test_a_grid_has_a_row_for_each_value_of_the_first_statistic(here: Path) -> None:
    options = ("--saturation", "0.2,0.5", "--hue", "0,0.3,0.6", "--strip", "--out", "out")
    assert call("colorize", "in/a.png", "--generator", "generator", *options).exit_code == 0
    with Image.open("out/a-strip.png") as image:
        width, height = image.size
        below_the_original = np.asarray(image)[height // 2 + 20 :, : width // 4 - 20]
    assert width / height == pytest.approx(4 * 256 / (2 * (192 + 45)), rel=0.1)
    assert (below_the_original == 255).all()


def test_frames_are_moved_alike(here: Path) -> None:
    Path("film").mkdir()
    for n, exposure in enumerate((0.6, 0.8, 1.0)):
        frame = photograph()[..., 1] * exposure
        frame[40 * n : 40 * n + 60] = 250
        Image.fromarray(frame.astype(np.uint8)).save(f"film/{n}.png")
    (here / "film" / "torn.png").write_text("no picture")
    save(steered(saturation=0.5), here / "generator")
    command = ("colorize", "film", "--generator", "generator", "--saturation", "0.3")
    result = call(*command, "--same-for-all", "--out", "out")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    found = [saturation(f"out/{n}.png") for n in range(3)]
    assert np.mean(found) == pytest.approx(0.3, abs=0.005)
    assert max(found) - min(found) > 0.005, "frames keep their differences"
    assert call(*command, "--out", "each").exit_code == 1
    assert np.ptp([saturation(f"each/{n}.png") for n in range(3)]) < 0.005


def test_without_a_sweep_the_generator_that_comes_along_is_used_and_named(here: Path) -> None:
    first, line = call("colorize", "in/a.png", "--saturation", "0.6").stdout.splitlines()
    assert first.startswith("generator: the one that comes with colorsweep")
    assert "saturation 0.6 wanted, 0.6" in line
    first, line = call("colorize", "in/b.jpg").stdout.splitlines()
    assert first.endswith("no number is given: saturation 0.3")
    assert "saturation 0.3 wanted, 0.3" in line
    first, line = call("colorize", "in/below/a.png", "--hue", "0.6").stdout.splitlines()
    assert first.endswith("; hue is met by exact control alone")
    assert "hue 0.6 wanted, 0.6" in line
    assert "saturation" not in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--saturation", ""], ["--saturation", "'' lacks a number"]),
        (["--saturation", "0.2,"], ["--saturation", "'0.2,' lacks a number"]),
        (["--saturation", "0.2,1.2"], ["1.2 is not in the range 0<=x<=1. A comma separates"]),
        (["--saturation", "0.2,0.4,0.2"], ["0.2 is given twice"]),
        (["--saturation", "0.5:0.5:3"], ["0.5 is given twice"]),
        (["--saturation", "0:1:1"], ["COUNT '1' is no whole number from 2 to 1000"]),
        (["--saturation", "0:1:2.5"], ["COUNT '2.5'"]),
        (["--saturation", "0:1"], ["'0:1' is not FIRST:LAST:COUNT"]),
        (["--saturation", "0:2:3"], ["2.0 is not in the range 0<=x<=1"]),
        (["--hue", "much"], ["--hue", "'much' is not a number; several are written 0.2,0.4"]),
        (["--hue", "0.2-0.6"], ["--hue", "'0.2-0.6' is not a number; several are written"]),
        (["--saturation", "0.2", "0.4"], ["0.4: is no picture; several numbers are written"]),
        (["--saturation", "0:1:100", "--hue", "0:1:100"], ["10,000 combinations", "1,000"]),
        (["--saturation", "0.2,0.3", "--in-place"], ["--in-place writes one picture"]),
        (["--strip", "--in-place"], ["--in-place writes one picture"]),
        (["--animation", "--saturation", "0.5"], ["--animation: give several numbers"]),
        (["--raw", "--same-for-all"], ["--raw moves no colours"]),
    ],
)
def test_wrong_numbers_are_refused_in_one_line(
    here: Path, options: list[str], words: list[str]
) -> None:
    before = files(here)
    assert_refused(call("colorize", "in", "--generator", "generator", *options), *words)
    assert files(here) == before


def test_an_export_takes_one_number() -> None:
    assert_refused(call("export", "--sweep", "x", "--out", "y", "--hue", "0.1,0.2"), "--hue")


def test_what_is_missed_beside_other_targets_is_told(here: Path) -> None:
    told = call("colorize", "in", "--saturation", "0.1", "--chroma", "67", "--out", "out").stdout
    for line in told.splitlines()[1:]:
        saturation, chroma = line.split("  ")[2:4]
        assert saturation.startswith("saturation 0.1 wanted, 0.")
        assert saturation.endswith(" achieved (missed beside the others)")
        assert chroma == "chroma 67 wanted, 67.0 achieved"
    assert "missed" not in call("colorize", "in", "--chroma", "67", "--out", "alone").stdout
