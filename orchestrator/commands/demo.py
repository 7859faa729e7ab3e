"""Command ``demo``: a page on this machine that colours one photograph as sliders move."""

import os
import shutil
import signal
import socket
import tempfile
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from gan.errors import UserError
from gan.plain_text import printable
from orchestrator.commands.generator_options import generator_options, given_target
from orchestrator.commands.terminal import fail, say
from orchestrator.inference.chosen import GeneratorOptions, choose
from orchestrator.store.paths import Locations

ARGUMENTS = [
    click.Argument(["path"], required=False, type=click.Path(path_type=Path)),
    *generator_options(several=False),
    click.Option(
        ["--port"],
        type=click.IntRange(0, 65535),
        default=0,
        help="Port of 127.0.0.1; 0 takes a free one.  [default: 0]",
    ),
    click.Option(["--open", "opened"], is_flag=True, help="Open the page in a browser."),
]


@click.command(
    params=ARGUMENTS,
    short_help="Colour a photograph on a page, with sliders.",
    context_settings={"max_content_width": 100},
)
@click.pass_obj
def demo(
    locations: Locations,
    /,
    path: Path | None,
    sweep: str | None,
    run: str | None,
    generator: Path | None,
    port: int,
    opened: bool,
    **targets: Any,
) -> None:
    """Serve a page on this machine: a photograph, a slider for each statistic, before and after.

    With PATH the page opens with that photograph. Without --sweep, --run and --generator it is
    the generator that comes with colorsweep. The given targets choose the trial, as for colorize,
    and are where the sliders start. The page takes the photographs that colorize takes, and
    downloads them coloured in their own size, format and depth. Nothing leaves this machine;
    uploads are removed at the end.

    Prints the address. Ctrl-C ends it. Needs the extra demo (Gradio).

    Exits with 2 on bad input.
    """
    if find_spec("gradio") is None:
        raise UserError("demo: gradio is not installed; pip install gradio")
    # Before torch is imported. A move is of many short operations: on two cores, of which the
    # browser has one, two threads that wait for each other took up to twice as long as one.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from orchestrator.inference.image_files import read_picture

    wanted = given_target(targets)
    which = GeneratorOptions(sweep, run, generator, [wanted])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory() as directory, _listening(port) as listening:
            if path is not None:
                # Refused here, if at all. Gradio serves nothing from elsewhere, and no name that
                # is not UTF-8.
                read_picture(path)
                path = Path(shutil.copy(path, Path(directory, printable(path.name))))
            (chosen,) = choose(locations, Path(directory), which)
            # Gradio reads these when it is imported.
            os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
            os.environ["GRADIO_TEMP_DIR"] = tempfile.tempdir = directory
            from gan.inference.colorizer import Colorizer
            from orchestrator.inference.demo_page import Demo, serve

            page = Demo(Colorizer.load(chosen.path), chosen.shown.partition(";")[0], wanted, path)
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            say(f"generator: {chosen.shown}")
            say(f"{address} (Ctrl-C ends it)")
            if opened and not webbrowser.open(address):
                fail("--open: no browser could show it")
            serve(page, listening)
    except KeyboardInterrupt:
        say("ended; the uploads are removed", err=True)


def _listening(port: int) -> socket.socket:
    """Listen on the loopback interface alone; raise UserError if the port is taken."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error  # Python's own names the port
        raise UserError(f"--port {port}: cannot be used ({reason})") from None
