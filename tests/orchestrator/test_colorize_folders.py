"""What of a folder ``colorize`` leaves alone, and says so; formats that stay what they are."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.io import imread

from orchestrator.inference.jobs import OutputOptions, passed_over, plan_jobs
from tests.support.cli_flags import call
from tests.support.saved_generators import PHOTOGRAPH


@pytest.fixture
def folder(here: Path) -> Path:
    for name in ("painted", "red", "blue", "IMG_1", "IMG_2", "IMG_12"):
        shutil.copy(PHOTOGRAPH, here / "in" / f"{name}.jpg")
    return Path("in")


def names(folder: Path, where: OutputOptions) -> set[str]:
    jobs, _ = plan_jobs([folder], where)
    return {job.picture.name for job in jobs}


def test_a_name_that_happens_to_end_in_the_suffix_is_a_picture(folder: Path) -> None:
    everything = {path.name for path in folder.rglob("*.*")} - {"notes.txt"}
    assert names(folder, OutputOptions(Path("out"), "ed")) == everything
    assert not any("outputs" in line for line in passed_over([folder], OutputOptions(suffix="ed")))
    assert names(folder, OutputOptions(suffix="ed")) == everything


def test_an_earlier_output_is_left_alone_with_a_line(folder: Path) -> None:
    where = OutputOptions(suffix="2")
    assert "IMG_2.jpg" in names(folder, where)
    assert "IMG_12.jpg" not in names(folder, where)
    assert passed_over([folder], where) == [
        "in: earlier outputs left alone: 1, such as IMG_12.jpg",
        "in: other files left alone: 1, such as notes.txt",
    ]


def test_outputs_among_the_files_of_a_shell_s_pattern_are_left_alone(here: Path) -> None:
    options = ("--generator", "generator", "--saturation", "0.2,0.3", "--strip")
    assert call("colorize", "in/a.png", "in/b.jpg", *options).exit_code == 0
    shell = sorted(map(str, Path("in").glob("*.*g")))
    result = call("colorize", *shell, *options, "--overwrite")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1 + 3 * 2)
    assert result.stderr == (
        "earlier outputs left alone: 6, such as a-colorized-saturation-0.2.png\n"
    )
    alone = "in/a-colorized-saturation-0.2.png"  # asked for by its name
    assert call("colorize", alone, "--generator", "generator").exit_code == 0
    assert Path("in/a-colorized-saturation-0.2-colorized.png").is_file()


def test_a_picture_whose_name_ends_in_the_suffix_is_never_taken_for_an_output(here: Path) -> None:
    shutil.copy("in/b.jpg", "in/b-1.jpg")
    before = Path("in/b-1.jpg").read_bytes()
    result = call(
        *("colorize", "in/b.jpg", "in/b-1.jpg", "--suffix", "-1", "--overwrite"),
        *("--generator", "generator"),
    )
    assert result.exit_code == 1
    assert "in/b-1.jpg is one of the pictures" in result.stderr
    assert Path("in/b-1.jpg").read_bytes() == before


def test_folders_are_no_outputs_whatever_their_names(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree("in", "in-colorized")
    jobs, refused = plan_jobs([Path("in"), Path("in-colorized")], OutputOptions(Path("out")))
    assert {job.picture.parts[0] for job in jobs} == {"in"}
    assert all("is written for in/" in line for line in refused)
    monkeypatch.chdir("in")
    where = OutputOptions(Path("../out"))
    assert [job.picture for job in plan_jobs([Path()], where)[0]] == [
        Path("a.png"), Path("b.jpg"), Path("below/a.png"),
    ]  # fmt: skip
    assert not any("outputs" in line for line in passed_over([Path()], where))


def test_outputs_of_now_are_no_earlier_ones(here: Path) -> None:
    result = call("colorize", "in", "--generator", "generator")
    assert (result.exit_code, result.stderr) == (
        0,
        "in: other files left alone: 1, such as notes.txt\n",
    )


def test_other_files_of_a_folder_are_counted(folder: Path) -> None:
    for name in ("raw.cr2", ".hidden"):
        (folder / name).write_text("no picture")
    result = call(
        *("colorize", "in", "--out", "out", "--generator", "generator", "--saturation", "0.3")
    )
    assert result.exit_code == 0
    assert result.stderr == "in: other files left alone: 2, such as notes.txt\n"


@pytest.mark.parametrize("suffix", [".JPE", ".jfif", ".pgm", ".apng", ".dib"])
def test_rarer_suffixes_count_as_pictures(here: Path, suffix: str) -> None:
    with Image.open(PHOTOGRAPH) as image:
        kinds = {".JPE": "JPEG", ".jfif": "JPEG", ".pgm": "PPM", ".apng": "PNG", ".dib": "BMP"}
        image.save(here / "in" / f"c{suffix}", kinds[suffix])
    assert f"c{suffix}" in names(Path("in"), OutputOptions(Path("out")))


@pytest.mark.parametrize("metadata", [b"", b"II*\0\x08\0\0\0\0\0\0\0\0\0"])
def test_a_lossless_webp_stays_lossless(here: Path, metadata: bytes) -> None:
    with Image.open(PHOTOGRAPH) as image:
        image.save("in/c.webp", lossless=True, exif=metadata)
        image.save("in/c.png")
        image.save("in/lossy.webp", quality=90)
    paths = ("in/c.webp", "in/c.png", "in/lossy.webp")
    options = ("--out", "out", "--generator", "generator", "--saturation", "0.3")
    assert call("colorize", *paths, *options).exit_code == 0
    assert np.array_equal(imread("out/c.webp"), imread("out/c.png"))
    assert b"VP8L" in Path("out/c.webp").read_bytes()
    assert b"VP8L" not in Path("out/lossy.webp").read_bytes()
