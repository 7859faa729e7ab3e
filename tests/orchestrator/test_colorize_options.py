from pathlib import Path

import pytest

from tests.support.cli import assert_refused, files
from tests.support.cli_flags import call


def test_without_a_picture_no_generator_is_looked_for(here: Path) -> None:
    (here / "none").mkdir()
    result = call("colorize", "none", "--generator", "nowhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: none: nothing to colour")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sweep", "x", "--generator", "generator"], ["give only one of"]),
        (["--run", "x", "--generator", "generator"], ["give only one of"]),
        (["--generator", "generator", "--hue", "1.5"], ["--hue", "0<=x<=1"]),
        (["--sweep", "x", "--saturation", "1.5"], ["--saturation", "0<=x<=1"]),
        (["--sweep", "x", "--huw", "0.5"], ["--huw", "--hue"]),
        (["--sweep", "x", "--hue", "nan"], ["--hue", "nan is not a finite number"]),
        (
            ["--generator", "in"],
            ["in: no generator to load (there is no in/generator.safetensors)"],
        ),
        (["--generator", "nowhere"], ["nowhere: no generator to load (there is no such file"]),
        (["--generator", "generator", "--in-place", "--out", "x"], ["--in-place"]),
        (["--generator", "generator", "--suffix", "a/b"], ["--suffix", "'a/b'"]),
        (["--hue", "0.2", "--hue", "0.4"], ["--hue", "is given more than once", "0.2,0.4"]),
        (["--sat", "0.3"], ["No such option '--sat'. Did you mean --saturation?"]),
        (["--in_place"], ["No such option '--in_place'. Did you mean --in-place?"]),
        (["--out", "new.JPG"], ["--out new.JPG: is the directory to write into", "--suffix"]),
        (["--sweep", "x", "--hue", "0.5"], ["no sweep was launched there", "--runs"]),
        (["--run", "x"], ["no sweep was launched there"]),
    ],
)
def test_bad_options_are_refused_in_one_line(
    here: Path, options: list[str], words: list[str]
) -> None:
    before = files(here)
    assert_refused(call("colorize", "in", *options), *words)
    assert files(here) == before


def test_a_command_without_a_picture_is_refused(here: Path) -> None:
    assert_refused(call("colorize", "--generator", "generator"), "PATHS")
