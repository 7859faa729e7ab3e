"""Pipes and devices among pictures: a line each, instead of waiting for them."""

import os
from pathlib import Path

import pytest

from gan.data.datasets import load
from gan.data.picture_file import read_header, read_picture
from gan.errors import UserError
from tests.support.streamed_images import noise, of_folder

NO_FILE = "cannot be read (it is a pipe, a device or a socket)"


@pytest.mark.timeout(60)
def test_links_that_lead_to_no_file_are_named_and_left_out(tmp_path: Path) -> None:
    for n in range(16):
        noise(48, 64, seed=n).save(tmp_path / f"{n}.png")
    os.mkfifo(tmp_path / "pipe")
    for name, target in {
        "broken": "nowhere",
        "device": "/dev/zero",
        "itself": "itself.png",
        "pipe": "pipe",
    }.items():
        (tmp_path / f"{name}.png").symlink_to(target)
    (tmp_path / "good.png").symlink_to("0.png")
    (tmp_path / "folder").symlink_to(tmp_path)
    dataset = load(of_folder(tmp_path))
    told = dict(line.removeprefix(f"{tmp_path}/").split(": ", 1) for line in dataset.skipped)
    assert told == {
        "broken.png": "cannot be read (No such file or directory)",
        "device.png": NO_FILE,
        "folder": "is a link to a folder, which is not followed",
        "itself.png": "cannot be read (Too many levels of symbolic links)",
        "pipe.png": NO_FILE,
    }
    assert len(dataset.train) + len(dataset.test) == 17


@pytest.mark.timeout(60)
def test_a_pipe_or_device_is_refused_in_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for file in (Path("/dev/null"), tmp_path / "pipe.png"):
        with pytest.raises(UserError) as caught:
            read_picture(file)
        assert str(caught.value) == f"{file}: {NO_FILE}"
        with pytest.raises(UserError) as caught:
            read_header(str(file))
        assert str(caught.value) == f"{file}: {NO_FILE}"
