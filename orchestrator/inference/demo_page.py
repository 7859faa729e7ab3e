"""Page of ``colorsweep demo``: one photograph, sliders for statistics, before and after."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import gradio as gr
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
# The hidden button of Gradio downloads what was just written.
DOWNLOAD = "() => document.querySelector('#file a, a#file, #file')?.click()"


def page(colorizer: Colorizer, shown_as: str, given: Mapping[ControlName, float]) -> gr.Blocks:
    """Build the page of a generator; the sliders start at the given targets."""
    first = starts(colorizer, given)
    own = [name for name in first if name in {**colorizer.config.controls, **colorizer.assumed}]
    also = [name for name in first if name not in own]

    def targets(chosen: list[str], values: tuple[float, ...]) -> dict[ControlName, float]:
        each = dict(zip(TARGET_RANGES, values, strict=True))
        return {name: each[name] for name in each if name in own or name in chosen}

    def taken(file: str | None, chosen: list[str], *values: float) -> list[Any]:
        if file is None:
            return [None, HINT, "", "", "", gr.update(interactive=False)]
        try:
            photo = Photo(colorizer, Path(file))
            after, table = moved(photo, chosen, *values)
        except (UserError, MemoryError) as error:
            return [
                None,
                demo_html.refused(Path(file), error),
                "",
                "",
                "",
                gr.update(interactive=False),
            ]
        before = demo_html.figure("Before", photo.file, photo.before)
        return [
            photo,
            demo_html.told(photo.told),
            before,
            after,
            table,
            gr.update(interactive=True),
        ]

    def moved(photo: Photo | None, chosen: list[str], *values: float) -> tuple[str, str]:
        if photo is None:
            return "", ""
        uri, found = photo.after(targets(chosen, values))
        return demo_html.figure("After", photo.file, uri), demo_html.table(found)

    def written(photo: Photo, chosen: list[str], *values: float) -> tuple[str | None, str]:
        try:
            file, found = photo.write(targets(chosen, values), Path(mkdtemp()))
        except (UserError, MemoryError) as error:
            return None, demo_html.refused(photo.file, error)
        numbers = ", ".join(
            f"{name} {demo_html.number(name, o.achieved)}" for name, o in found.items()
        )
        return str(file), demo_html.told(
            f"{file.name} is written in full size and depth: {numbers}"
        )

    blocks: gr.Blocks = gr.Blocks(title="colorsweep demo", analytics_enabled=False)
    with blocks:
        gr.HTML(f"<h1>colorsweep demo</h1><p>Generator: {escape(shown_as.partition(';')[0])}</p>")
        photo = gr.State(None)
        with gr.Row():
            with gr.Column(min_width=280, elem_id="controls"):
                upload = gr.File(label="Photograph (JPEG, PNG, TIFF or WebP)", height=110)
                told = gr.HTML(HINT)
                sliders = {name: _slider(name, first, own + also) for name in TARGET_RANGES}
                with gr.Accordion("Other statistics", open=not own):
                    others = [name for name in TARGET_RANGES if name not in own]
                    more = gr.CheckboxGroup(others, value=also, label="Met by exact control alone")
                table = gr.HTML()
                download = gr.Button("Download in full size", variant="primary", interactive=False)
                file = gr.DownloadButton(visible="hidden", elem_id="file")
            before, after = (gr.HTML(elem_classes="picture") for _ in range(2))
        values = [more, *sliders.values()]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        results = [photo, told, before, after, table, download]
        upload.change(taken, [upload, *values], results, **quiet)
        moves = [slider.input for slider in sliders.values()]
        gr.on([*moves, more.input], moved, [photo, *values], [after, table],
              trigger_mode="always_last", **quiet)  # fmt: skip
        more.change(
            lambda chosen: [gr.update(visible=name in own or name in chosen) for name in sliders],
            more, [*sliders.values()], **quiet,
        )  # fmt: skip
        download.click(
            lambda: demo_html.told("Colouring in full size …"), None, told, **quiet
        ).then(written, [photo, *values], [file, told], **quiet).then(None, js=DOWNLOAD)
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
        max_file_size=MOST_BYTES, ssr_mode=False, theme=theme, css=demo_html.CSS,
    )  # fmt: skip
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])


def _slider(name: ControlName, first: Mapping[ControlName, float], seen: list[str]) -> gr.Slider:
    low, high = TARGET_RANGES[name]
    middle = round((low + high) / 2, 2)
    return gr.Slider(low, high, first.get(name, middle), step=step(name), label=name,
                     info=HELP.get(name), visible=name in seen, buttons=[])  # fmt: skip
