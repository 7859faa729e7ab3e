"""The command ``demo``: what it opens with, and what it refuses."""

import os
import signal
import time
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.support.chromium import CHROMIUM
from tests.support.cli import assert_refused
from tests.support.cli_flags import call
from tests.support.demo import PHOTO, Demo, numbers
from tests.support.processes import Program

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (chromium in Debian)"),
]


def test_a_named_photograph_is_opened_and_an_end_while_it_is_written_leaves_nothing_else(
    browser: Browser, tmp_path: Path
) -> None:
    photograph = os.fsdecode(os.fsencode(tmp_path) + b"/<b>caf\xe9.jpg")
    Image.open(PHOTO).resize((4000, 3000)).save(photograph)
    demo = Demo(tmp_path, photograph, "--saturation", "0.2")
    for _ in range(2):  # another page, too
        page = browser.new_page()
        page.goto(demo.address)
        expect(page.get_by_text(r"<b>caf\xe9.jpg: 4000x3000, 8 bits")).to_be_visible()
        assert numbers(page) == pytest.approx([0.2] * 3, abs=0.002)
    page.get_by_role("button", name="Download in full size").click()
    expect(page.get_by_text("Colouring in full size")).to_be_visible()
    time.sleep(0.5)
    demo.process.send_signal(signal.SIGTERM)
    done = demo.end()
    assert (done.returncode, done.stderr) == (0, "ended; the uploads are removed\n")
    assert [*tmp_path.iterdir()] == [Path(photograph)]


def test_a_slider_starts_at_one_number(tmp_path: Path) -> None:
    refused = call("--runs", str(tmp_path), "demo", "--saturation", "0.2,0.4")
    assert_refused(refused, "--saturation", "'0.2,0.4' is not a number")


def test_what_is_no_photograph_is_refused_before_the_page(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    done = Program("demo", str(tmp_path / "text.jpg")).end()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {tmp_path / 'text.jpg'}: ")
    assert done.stderr.count("\n") == 1


def test_without_gradio_one_line_says_what_to_install(tmp_path: Path) -> None:
    # Python's own way to make a module impossible to import, before the program starts.
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['gradio'] = None\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = Program("demo", PYTHONPATH=path).end()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: demo: gradio is not installed; pip install gradio\n"
