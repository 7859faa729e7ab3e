import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from rich.console import Console
from skimage.color import rgb2lab

from gan.data.picture_file import Pixels
from gan.inference.colorizer import Colorizer
from orchestrator.inference.chosen import Chosen
from orchestrator.inference.colorize_files import colorize_files
from orchestrator.inference.jobs import Job, OutputOptions, plan_jobs
from tests.support.cli import files, run_measured
from tests.support.cli_flags import call
from tests.support.saved_generators import (
    PHOTOGRAPH,
    config,
    photograph,
    save,
    steered,
    track,
    vivid,
)

TRIAL = steered(saturation=0.5)


def coloured(file: str) -> Pixels:
    with Image.open(file) as image:
        return np.asarray(image)


def test_a_picture_is_coloured_beside_itself_and_the_line_says_what_was_met(here: Path) -> None:
    before = files(here)
    result = call("colorize", "in/a.png", "--generator", "generator")
    assert (result.exit_code, result.stderr) == (0, "")
    first, line = result.stdout.splitlines()
    assert first == "generator: generator"
    assert line.startswith("in/a.png -> in/a-colorized.png  256x192  saturation 0.5 wanted, ")
    assert files(here).keys() - before.keys() == {str(here / "in" / "a-colorized.png")}
    expected = Colorizer(vivid(TRIAL))(photograph())
    np.testing.assert_array_equal(coloured("in/a-colorized.png"), expected)
    rgb = expected / 255
    saturation = ((rgb.max(axis=2) - rgb.min(axis=2)) / np.maximum(rgb.max(axis=2), 1e-3)).mean()
    found = re.search(r"wanted, ([\d.]+) achieved", line)
    assert found is not None
    assert float(found[1]) == pytest.approx(saturation, abs=0.0006)


def test_what_cannot_be_reached_is_said(here: Path) -> None:
    save(steered(saturation=1.0), here / "vivid")
    line = call("colorize", "in/b.jpg", "--generator", "vivid").stdout.splitlines()[1]
    assert re.search(r"saturation 1 wanted, [\d.]+ achieved \([\d.]+ reachable\)", line)


def test_a_folder_is_coloured_into_another_with_its_layout(here: Path) -> None:
    before = files(here / "in")
    result = call("colorize", "in", "--generator", "generator", "--out", "out/deep")
    assert (result.exit_code, result.stderr) == (
        0,
        "in: other files left alone: 1, such as notes.txt\n",
    )
    written = {str(p.relative_to("out/deep")) for p in Path("out").rglob("*") if p.is_file()}
    assert written == {"a.png", "b.jpg", "below/a.png"}
    assert files(here / "in") == before
    assert [line.split(" ")[0] for line in result.stdout.splitlines()[1:]] == [
        *("in/a.png", "in/b.jpg", "in/below/a.png")
    ]


def test_a_folder_can_be_coloured_again_and_again(here: Path) -> None:
    command = ["colorize", "in", "--generator", "generator"]
    assert call(*command).exit_code == 0
    first = files(here)
    result = call(*command)
    assert result.exit_code == 1
    *lines, earlier, others = result.stderr.splitlines()
    assert len(lines) == 3  # what was written is no input
    assert all("is there already; --overwrite replaces it, --suffix" in line for line in lines)
    assert earlier == "in: earlier outputs left alone: 3, such as a-colorized.png"
    assert others == "in: other files left alone: 1, such as notes.txt"
    assert files(here) == first
    assert call(*command, "--overwrite").exit_code == 0
    assert files(here).keys() == first.keys()


def test_a_picture_is_written_over_only_in_place(here: Path) -> None:
    before = files(here)
    for options in (
        ["--out", "in"],
        ["--out", "in", "--overwrite"],
        ["--suffix", "", "--overwrite"],
    ):
        result = call("colorize", "in/a.png", "--generator", "generator", *options)
        assert result.exit_code == 1
        assert "which only --in-place writes over" in result.stderr
        assert files(here) == before
    Path("in/a.png").chmod(0o600)
    assert call("colorize", "in/a.png", "--generator", "generator", "--in-place").exit_code == 0
    assert Path("in/a.png").stat().st_mode & 0o777 == 0o600, "it stays private"
    np.testing.assert_array_equal(coloured("in/a.png"), Colorizer(vivid(TRIAL))(photograph()))


def test_a_file_that_holds_other_pictures_is_not_written_over(here: Path) -> None:
    file = Path("in/stereo.jpg")
    views = [Image.fromarray(photograph()), Image.fromarray(photograph()[::-1])]
    views[0].save(file, "MPO", save_all=True, append_images=views[1:])
    before = file.read_bytes()
    result = call("colorize", str(file), "--generator", "generator", "--in-place")
    assert result.exit_code == 1
    assert "holds 2 pictures, of which --in-place would keep one" in result.stderr
    assert file.read_bytes() == before
    result = call("colorize", str(file), "--generator", "generator", "--out", "out")
    assert result.exit_code == 0
    (line,) = (line for line in result.stdout.splitlines() if "stereo.jpg" in line)
    assert "  only the first of its 2 pictures  " in line


def test_a_link_that_is_coloured_in_place_stays_one(here: Path) -> None:
    Path("in/link.png").symlink_to("a.png")
    result = call("colorize", "in/link.png", "--generator", "generator", "--in-place")
    assert (result.exit_code, result.stderr) == (0, "")
    assert Path("in/link.png").is_symlink()
    np.testing.assert_array_equal(coloured("in/a.png"), Colorizer(vivid(TRIAL))(photograph()))


def test_a_link_to_another_picture_of_the_folder_has_an_output_of_its_own(here: Path) -> None:
    Path("in/Link.png").symlink_to("a.png")  # sorted before it
    jobs, refused = plan_jobs([Path("in")], OutputOptions(out=Path("out")))
    assert refused == []
    written = ["out/Link.png", "out/a.png", "out/b.jpg", "out/below/a.png"]
    assert [str(job.outputs[0]) for job in jobs] == written
    jobs, refused = plan_jobs([Path("in")], OutputOptions(in_place=True))
    assert refused == []
    assert [job.outputs[0].name for job in jobs] == ["a.png", "b.jpg", "a.png"]


def test_a_link_to_a_folder_is_named_and_the_other_pictures_are_done(here: Path) -> None:
    (here / "elsewhere").mkdir()
    shutil.copy(PHOTOGRAPH, "elsewhere/c.jpg")
    Path("in/linked").symlink_to(here / "elsewhere")
    Path("in/itself").symlink_to(".")
    result = call("colorize", "in", "--generator", "generator", "--out", "out")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "Error: in/itself: is a link to a folder, which is not followed",
        "Error: in/linked: is a link to a folder, which is not followed",
        "in: other files left alone: 1, such as notes.txt",
    ]
    written = {str(p.relative_to("out")) for p in Path("out").rglob("*") if p.is_file()}
    assert written == {"a.png", "b.jpg", "below/a.png"}


def test_a_folder_can_be_coloured_into_one_that_it_lies_in(here: Path) -> None:
    for out in (Path(), Path("in").parent.resolve()):
        jobs, refused = plan_jobs([Path("in/below")], OutputOptions(out=out))
        assert (refused, [job.outputs[0].name for job in jobs]) == ([], ["a.png"])


def test_two_pictures_are_not_written_to_one_file(here: Path) -> None:
    result = call(
        *("colorize", "in/a.png", "in/below/a.png", "--out", "out", "--generator", "generator")
    )
    assert result.exit_code == 1
    assert result.stderr == ("Error: in/below/a.png: out/a.png is written for in/a.png already\n")
    assert coloured("out/a.png").shape == (192, 256, 3)


def test_a_picture_named_twice_is_coloured_once(here: Path) -> None:
    jobs, refused = plan_jobs(
        [Path("in/a.png"), Path("in"), Path("in/../in/b.jpg")], OutputOptions()
    )
    assert len(refused) == 3  # without a suffix each would be written over
    jobs, refused = plan_jobs(
        [Path("in/a.png"), Path("in"), Path("in/../in/b.jpg")], OutputOptions(suffix="-x")
    )
    assert refused == []
    assert jobs == [
        Job(Path("in/a.png"), (Path("in/a-x.png"),)),
        Job(Path("in/b.jpg"), (Path("in/b-x.jpg"),)),
        Job(Path("in/below/a.png"), (Path("in/below/a-x.png"),)),
    ]


def test_an_output_folder_inside_the_input_and_hidden_files_are_no_input(here: Path) -> None:
    (here / "in" / "out").mkdir()
    shutil.copy(PHOTOGRAPH, "in/out/c.jpg")
    shutil.copy(PHOTOGRAPH, "in/.hidden.jpg")
    jobs, refused = plan_jobs([Path("in")], OutputOptions(out=Path("in/out")))
    assert refused == []
    assert [str(job.picture) for job in jobs] == ["in/a.png", "in/b.jpg", "in/below/a.png"]


def test_bad_pictures_have_a_line_each_and_the_others_are_done(here: Path) -> None:
    folder = here / "in"
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("no picture")
    (folder / "torn.jpg").write_bytes(PHOTOGRAPH.read_bytes()[:3000])
    Image.new("1", (14_000, 13_000)).save(folder / "bomb.png")
    (here / "none").mkdir()
    result = call(
        *("colorize", "none", "in", "nowhere.jpg", "--generator", "generator", "--out", "out")
    )
    assert result.exit_code == 1
    told = dict(line.removeprefix("Error: ").split(": ", 1) for line in result.stderr.splitlines())
    assert told.keys() == {
        *("none", "in/empty.jpg", "in/text.png", "in/torn.jpg", "in/bomb.png", "nowhere.jpg"),
        "in",
    }
    assert told["in"] == "other files left alone: 1, such as notes.txt"
    assert told["none"].startswith("nothing to colour (.apng, .avif, .bmp, .dib, .gif, .heic")
    assert told["in/empty.jpg"] == "is empty"
    assert "14000x13000 pixels; valid: up to 178,956,970" in told["in/bomb.png"]
    assert "premature end" in told["in/torn.jpg"]
    written = {str(p.relative_to("out")) for p in Path("out").rglob("*") if p.is_file()}
    assert written == {"a.png", "b.jpg", "below/a.png"}
    assert len(result.stdout.splitlines()) == 1 + 3


def test_16_bits_alpha_and_orientation_go_through_the_command(here: Path) -> None:
    picture = np.dstack([photograph(dtype=np.uint16)] * 2)[..., :4]
    tifffile.imwrite("x.tif", picture, photometric="rgb", extrasamples=["unassalpha"])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photograph()).save("lying.jpg", exif=exif)
    result = call("colorize", "x.tif", "lying.jpg", "--generator", "generator", "--out", "out")
    assert (result.exit_code, result.stderr) == (0, "")
    found = tifffile.imread("out/x.tif")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found[..., 3], picture[..., 3])
    before, after = rgb2lab(picture[..., :3] / 65535), rgb2lab(found[..., :3] / 65535)
    assert np.abs(before[..., 0] - after[..., 0]).max() < 1e-3
    assert coloured("out/lying.jpg").shape == (256, 192, 3)


@pytest.mark.slow
def test_the_nearest_trial_of_a_sweep_is_said_with_its_distance(here: Path) -> None:
    for name, trial in (("baseline", config()), ("hue=0.9", steered(hue=0.9))):
        run_id = track(here / "runs", "mine", name, trial)
    command = ["colorize", "in/a.png", "--sweep", "mine", "--overwrite"]
    first, line = call(*command, "--hue", "0.1").stdout.splitlines()
    assert first == (
        f"generator: hue=0.9 (run {run_id}); hue 0.1 is wanted, 0.2 away from its target"
    )
    assert "hue 0.1 wanted" in line
    assert "its target" in call(*command, "--hue", "0.9").stdout
    assert call(*command).stdout.startswith("generator: baseline (run ")
    by_name = call(*command, "--run", "hue=0.9").stdout.splitlines()
    by_run = call("colorize", "in/b.jpg", "--run", run_id).stdout.splitlines()
    assert by_name[0] == by_run[0] == f"generator: hue=0.9 (run {run_id})"
    assert "hue 0.9 wanted" in by_run[1]
    assert call("export", "--run", run_id, "--out", "in/a.png").exit_code == 2


@pytest.mark.slow
def test_what_nobody_asked_for_is_the_trials_own_target(here: Path) -> None:
    track(here / "runs", "mine", "both", steered(hue=0.6, saturation=0.4))
    line = call("colorize", "in/a.png", "--sweep", "mine", "--hue", "0.5").stdout.splitlines()[1]
    assert "hue 0.5 wanted, " in line
    assert "saturation 0.4 its own target, " in line


def test_grey_is_said_to_have_no_hue(here: Path) -> None:
    Image.new("L", (64, 48)).save("black.png")
    save(steered(hue=0.6), here / "blue")
    line = call("colorize", "black.png", "--generator", "blue").stdout.splitlines()[1]
    assert "hue 0.6 wanted, none achieved: it is grey" in line


def test_what_was_written_before_is_no_input_wherever_it_goes_next(here: Path) -> None:
    assert call("colorize", "in", "--generator", "generator").exit_code == 0
    jobs, refused = plan_jobs([Path("in")], OutputOptions(out=Path("out"), suffix="-again"))
    assert refused == []
    assert [str(job.picture) for job in jobs] == ["in/a.png", "in/b.jpg", "in/below/a.png"]


@pytest.mark.parametrize(("terminal", "count"), [(True, 3), (True, 1), (False, 3)])
def test_progress_is_shown_for_many_in_a_terminal(here: Path, terminal: bool, count: int) -> None:
    jobs, _ = plan_jobs([Path("in")], OutputOptions(out=Path("out")))
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=200)
    assert colorize_files([Chosen(Path("generator"), "it")], jobs[:count], console) == 0
    assert ("100%" in text.getvalue()) == (terminal and count > 1)
    assert text.getvalue().count("achieved") == count


@pytest.mark.slow
def test_12_megapixels_take_less_than_1_5_gib(here: Path) -> None:
    Image.fromarray(photograph(3000, 4000)).save("big.jpg", quality=92)
    done = run_measured("colorize", "big.jpg", "--generator", "generator")
    # With --sweep it is 0.17 GiB more: MLflow.
    assert done.memory < 1.3 * 2**20
    # 5 to 7 s on a machine of 2 cores, most of it the imports.
    assert done.seconds < 60
    assert coloured("big-colorized.jpg").shape == (3000, 4000, 3)
