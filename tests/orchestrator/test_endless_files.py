"""``colorize`` of files that have no end, or too much for the memory: a line each, at once."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.cli_flags import call
from tests.support.saved_generators import photograph

NO_FILE = "cannot be read (it is a pipe, a device or a socket)"
LARGE = 2**42


@pytest.fixture
def limited_memory() -> Iterator[None]:
    """Let no allocation of more than 1 TiB succeed, which some systems grant until it is used."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**40, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.timeout(60)
def test_pipes_and_devices_have_a_line_each_and_the_others_are_done(here: Path) -> None:
    os.mkfifo("pipe")
    os.mkfifo("other")
    Path("in/device.png").symlink_to("/dev/zero")
    Path("in/pipe.png").symlink_to("../other")
    result = call("colorize", "/dev/null", "pipe", "in", "--generator", "generator", "--out", "out")
    assert result.exit_code == 1
    *lines, note = result.stderr.splitlines()
    assert note == "in: other files left alone: 1, such as notes.txt"
    assert lines == [
        f"Error: {file}: {NO_FILE}"
        for file in ("/dev/null", "pipe", "in/device.png", "in/pipe.png")
    ]
    written = {str(p.relative_to("out")) for p in Path("out").rglob("*") if p.is_file()}
    assert written == {"a.png", "b.jpg", "below/a.png"}


@pytest.mark.usefixtures("limited_memory")
def test_what_does_not_fit_in_memory_has_a_line_and_the_others_are_done(here: Path) -> None:
    Image.fromarray(photograph()).save("picture.png")
    os.truncate("picture.png", LARGE)
    Path("zeros.png").touch()
    os.truncate("zeros.png", LARGE)
    result = call(*("colorize", "picture.png", "zeros.png", "in/a.png"), "--generator", "generator")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "Error: picture.png: does not fit in memory",
        "Error: zeros.png: cannot be read as an image (it is no JPEG, PNG, TIFF, WebP, AVIF, GIF, "
        "BMP or PPM)",
    ]
    assert Path("in/a-colorized.png").is_file()
