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

from gan.control import CONTROLS, TARGET_RANGES, ControlName
from gan.data.picture_file import MOST_PIXELS
from gan.errors import UserError
from gan.inference.colorizer import Colorizer
from orchestrator.inference.demo_photo import Outcomes, Photo, starts, step
from reports.rows import shown

LOOPBACK = "127.0.0.1"
MOST_BYTES = MOST_PIXELS * 8
"""Largest file that is taken: the largest picture, four channels of 16 bits, not compressed."""
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
HELP = {"hue": "0 red, 0.33 green, 0.67 blue, 1 red again"}
CSS = """
.gradio-container { max-width: 1240px !important; margin: 0 auto; padding: 12px 16px !important; }
h1 { font-size: 1.25rem; margin: 0; } p { margin: .25rem 0; }
.pictures { display: flex; flex-wrap: wrap; gap: 12px; }
.pictures figure { flex: 1 1 300px; margin: 0; }
.pictures img { width: 100%; max-height: 62vh; object-fit: contain; object-position: left top; }
.numbers { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.numbers td, .numbers thead th:not(:first-child) { text-align: right; }
.numbers th { text-align: left; font-weight: 600; }
.numbers td, .numbers th { padding: 4px 8px; border-bottom: 1px solid var(--border-color-primary); }
.refused { border-left: 4px solid #b91c1c; padding: 4px 8px; font-weight: 600; }
:focus-visible { outline: 3px solid #2563eb !important; outline-offset: 2px; }
"""
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
            return [None, "", "", "", gr.update(interactive=False)]
        try:
            photo = Photo(colorizer, Path(file))
            pictures, table = moved(photo, chosen, *values)
        except (UserError, MemoryError) as error:
            return [None, _refused(Path(file), error), "", "", gr.update(interactive=False)]
        return [photo, _told(photo.told), pictures, table, gr.update(interactive=True)]

    def moved(photo: Photo | None, chosen: list[str], *values: float) -> tuple[str, str]:
        if photo is None:
            return "", ""
        uri, found = photo.after(targets(chosen, values))
        return _pictures(photo, uri), _table(found)

    def written(photo: Photo, chosen: list[str], *values: float) -> tuple[str | None, str]:
        try:
            file, found = photo.write(targets(chosen, values), Path(mkdtemp()))
        except (UserError, MemoryError) as error:
            return None, _refused(photo.file, error)
        numbers = ", ".join(f"{name} {_number(name, o.achieved)}" for name, o in found.items())
        return str(file), _told(f"{file.name} is written in full size and depth: {numbers}")

    with gr.Blocks(title="colorsweep demo", analytics_enabled=False) as blocks:
        gr.HTML(f"<h1>colorsweep demo</h1><p>Generator: {escape(shown_as)}</p>")
        photo = gr.State(None)
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                upload = gr.File(label="Photograph (JPEG, PNG, TIFF or WebP)", height=110)
                told = gr.HTML()
                sliders = {name: _slider(name, first, own + also) for name in TARGET_RANGES}
                with gr.Accordion("Other statistics, by exact control alone", open=not own):
                    others = [name for name in TARGET_RANGES if name not in own]
                    more = gr.CheckboxGroup(others, value=also, label="Move these, too")
                table = gr.HTML()
                download = gr.Button("Download in full size", variant="primary", interactive=False)
                file = gr.DownloadButton(visible="hidden", elem_id="file")
            with gr.Column(scale=3, min_width=300):
                pictures = gr.HTML()
        values = [more, *sliders.values()]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        upload.change(taken, [upload, *values], [photo, told, pictures, table, download], **quiet)
        moves = [slider.input for slider in sliders.values()]
        gr.on([*moves, more.input], moved, [photo, *values], [pictures, table],
              trigger_mode="always_last", **quiet)  # fmt: skip
        more.change(
            lambda chosen: [gr.update(visible=name in own or name in chosen) for name in sliders],
            more, [*sliders.values()], **quiet,
        )  # fmt: skip
        download.click(lambda: _told("Colouring in full size …"), None, told, **quiet).then(
            written, [photo, *values], [file, told], **quiet
        ).then(None, js=DOWNLOAD)
    return blocks


def serve(blocks: gr.Blocks, listening: Any) -> None:
    """Serve the page on a listening socket until Ctrl-C, to this machine alone."""
    app = FastAPI(openapi_url=None)
    # Else a page of another host, whose name leads here, could ask for the pictures.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    gr.mount_gradio_app(
        app, blocks, "/", server_name=LOOPBACK, footer_links=[], run_history=False,
        max_file_size=MOST_BYTES, ssr_mode=False, theme=gr.themes.Default(**FONTS), css=CSS,
    )  # fmt: skip
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])


def _slider(name: ControlName, first: Mapping[ControlName, float], seen: list[str]) -> gr.Slider:
    low, high = TARGET_RANGES[name]
    middle = round((low + high) / 2, 2)
    return gr.Slider(low, high, first.get(name, middle), step=step(name), label=name,
                     info=HELP.get(name), visible=name in seen, buttons=[])  # fmt: skip


def _told(line: str) -> str:
    return f'<p role="status">{escape(line)}</p>'


def _refused(file: Path, error: Exception) -> str:
    reason = f"{file}: does not fit in memory" if isinstance(error, MemoryError) else str(error)
    return f'<p role="alert" class="refused">{escape(reason.replace(str(file), file.name))}</p>'


def _pictures(photo: Photo, after: str) -> str:
    return '<div class="pictures">' + "".join(
        f'<figure><figcaption>{when}</figcaption><img alt="{when}: {escape(photo.file.name)}"'
        f' src="{uri}"></figure>'
        for when, uri in (("Before", photo.before), ("After", after))
    ) + "</div>"  # fmt: skip


def _table(found: Outcomes) -> str:
    head = "".join(f'<th scope="col">{t}</th>' for t in ("", "wanted", "achieved", "reachable"))
    rows = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f"<td>{_number(name, v)}</td>" for v in (o.wanted, o.achieved, o.reachable))
        + "</tr>"
        for name, o in found.items()
    )
    return f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _number(name: ControlName, value: float | None) -> str:
    digits = 3 if CONTROLS[name].high - CONTROLS[name].low < 10 else 1
    return "none: it is grey" if value is None else shown(name, value, digits)
