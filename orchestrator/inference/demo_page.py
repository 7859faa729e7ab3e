"""Page of ``colorsweep demo``: one photograph, sliders for statistics, before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import gradio as gr
import torch
import uvicorn
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from gan.control import TARGET_RANGES, ControlName
from gan.data.picture_file import MOST_PIXELS
from gan.errors import UserError
from gan.inference.colorizer import Colorizer
from orchestrator.inference import demo_html
from orchestrator.inference.demo_photo import Photo, starts, step

LOOPBACK = "127.0.0.1"
MOST_BYTES = MOST_PIXELS * 8
"""Largest file that is taken: the largest picture, four channels of 16 bits, not compressed."""
HELP = {"hue": "0 red, 0.33 green, 0.67 blue, 1 red again"}
HINT = "<p>Choose a photograph, or drop it above. It stays on this machine.</p>"
Typed = float | None
"""Number of a slider, maybe beyond its range while it is being typed; None if its box is empty."""
# The hidden button of Gradio downloads what was just written.
DOWNLOAD = "() => document.querySelector('#file a, a#file, #file')?.click()"


@dataclass(frozen=True)
class _Handlers:
    """What the page does when its user acts, for one generator."""

    colorizer: Colorizer
    own: list[ControlName]
    """Statistics that the generator has targets for."""

    def targets(self, chosen: list[str], values: tuple[Typed, ...]) -> dict[ControlName, float]:
        """Return the targets of its own statistics, and of the others that are chosen."""
        each = zip(TARGET_RANGES, values, strict=True)
        return {n: _allowed(n, value) for n, value in each if n in self.own or n in chosen}

    def taken(self, file: str | None) -> list[Any]:
        """Read the uploaded photograph, or forget the one there was."""
        photo, told, before = None, HINT, ""
        if file is not None:
            try:
                photo = Photo(self.colorizer, Path(file))
                told = demo_html.told(photo.told)
                before = demo_html.figure("Before", photo.file, photo.before)
            except (UserError, MemoryError) as error:
                photo, told = None, demo_html.refused(Path(file), error)
        return [photo, told, before, "", "", gr.update(interactive=photo is not None)]

    def moved(self, photo: Photo | None, chosen: list[str], *values: Typed) -> tuple[Any, ...]:
        """Colour the photograph anew at screen size."""
        if photo is None:
            return "", "", gr.skip()  # why there is none stays
        if None in values:  # emptied, to be typed anew
            return gr.skip(), gr.skip(), gr.skip()
        shown = demo_html.coloured(photo, self.targets(chosen, values))
        return *shown, demo_html.told(photo.told)

    def written(self, photo: Photo, chosen: list[str], *values: Typed) -> tuple[str | None, str]:
        """Colour it in full size, into a file to download."""
        try:
            file, found = photo.write(self.targets(chosen, values), Path(mkdtemp()))
        except (UserError, MemoryError) as error:
            return None, demo_html.refused(photo.file, error)
        achieved = ", ".join(
            f"{name} {demo_html.number(name, o.achieved)}" for name, o in found.items()
        )
        return str(file), demo_html.told(
            f"{file.name} is written in full size and depth: {achieved}"
        )


def page(colorizer: Colorizer, shown_as: str, given: Mapping[ControlName, float]) -> gr.Blocks:
    """Build the page of a generator; the sliders start at the given targets."""
    first = starts(colorizer, given)
    own = [name for name in first if name in {**colorizer.config.controls, **colorizer.assumed}]
    also = [name for name in first if name not in own]
    # On a CPU its convolutions take 0.12 s instead of 0.16 s then.
    colorizer.generator.to(memory_format=torch.channels_last)
    does = _Handlers(colorizer, own)
    blocks: gr.Blocks = gr.Blocks(title="colorsweep demo", analytics_enabled=False)
    with blocks:
        gr.HTML(f"<h1>colorsweep demo</h1><p>Generator: {escape(shown_as.partition(';')[0])}</p>")
        photo = gr.State(None)
        with gr.Row():
            with gr.Column(min_width=280, elem_id="controls"):
                upload = gr.File(label="Photograph (JPEG, PNG, TIFF or WebP)", height=150)
                told = gr.HTML(HINT)
                sliders = {name: _slider(name, first, own + also) for name in TARGET_RANGES}
                with gr.Accordion("Other statistics", open=not own):
                    others = [name for name in TARGET_RANGES if name not in own]
                    more = gr.CheckboxGroup(others, value=also, label="Met by exact control alone")
                table = gr.HTML()
                download = gr.Button("Download in full size", variant="primary", interactive=False)
                file = gr.DownloadButton(visible="hidden", elem_id="file")
            before = gr.HTML(elem_classes="picture")
            after = gr.HTML(elem_classes="picture", elem_id="after")
        values = [more, *sliders.values()]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        # Else Gradio refuses a number beyond the range, and fails on none, as it is typed.
        as_typed = {**quiet, "preprocess": False}
        results = [photo, told, before, after, table, download]
        upload.change(does.taken, upload, results, **quiet).then(
            does.moved, [photo, *values], [after, table, told], **as_typed
        )
        moves = [slider.change for slider in sliders.values()]
        gr.on([*moves, more.input], does.moved, [photo, *values], [after, table, told],
              trigger_mode="always_last", **as_typed)  # fmt: skip
        more.change(
            lambda chosen: [gr.update(visible=name in own or name in chosen) for name in sliders],
            more, [*sliders.values()], **quiet,
        )  # fmt: skip
        download.click(
            lambda: demo_html.told("Colouring in full size …"), None, told, **quiet
        ).then(does.written, [photo, *values], [file, told], **as_typed).then(None, js=DOWNLOAD)
    return blocks


def serve(blocks: gr.Blocks, listening: Any) -> None:
    """Serve the page on a listening socket until Ctrl-C, to this machine alone."""
    app = FastAPI(openapi_url=None)
    # Else a page of another host, whose name leads here, could ask for the pictures.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    # Gradio's own fonts would be fetched from elsewhere.
    theme = gr.themes.Default(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"]
    )
    gr.mount_gradio_app(
        app, blocks, "/", server_name=LOOPBACK, footer_links=[], run_history=False,
        max_file_size=MOST_BYTES, ssr_mode=False, theme=theme,
        css=demo_html.CSS, head=demo_html.HEAD,
    )  # fmt: skip
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])


def _allowed(name: ControlName, typed: Typed) -> float:
    """Return the nearest number in the slider's range, as its box shows once it is left."""
    low, high = TARGET_RANGES[name]
    return min(max(typed or 0.0, low), high)


def _slider(name: ControlName, first: Mapping[ControlName, float], seen: list[str]) -> gr.Slider:
    low, high = TARGET_RANGES[name]
    middle = round((low + high) / 2, 2)
    return gr.Slider(low, high, first.get(name, middle), step=step(name), label=name,
                     info=HELP.get(name), visible=name in seen, buttons=[])  # fmt: skip
