"""Page of ``colorsweep demo``: one photograph, sliders for statistics, before and after."""

from collections.abc import Mapping
from contextlib import ExitStack, redirect_stderr
from html import escape
from io import StringIO
from pathlib import Path
from socket import socket
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gan.control import CONTROLS, TARGET_RANGES, ControlName
from gan.data.picture_file import MOST_PIXELS
from gan.errors import UserError
from gan.inference.colorizer import Colorizer
from orchestrator.inference import demo_html
from orchestrator.inference.demo_photo import Photo, starts

LOOPBACK = "127.0.0.1"
MOST_BYTES = MOST_PIXELS * 8
"""Largest file that is taken: the largest picture, four channels of 16 bits, not compressed."""
HINT = "<p>Choose a photograph, or drop it above. It stays on this machine.</p>"
Typed = float | None
"""Number of a slider, maybe beyond its range while it is being typed; None if its box is empty."""
# The hidden button of Gradio downloads what was just written.
DOWNLOAD = "() => document.querySelector('#file a, a#file, #file')?.click()"


class Demo:
    """What the page shows, and does when its users act, for one generator."""

    def __init__(
        self,
        colorizer: Colorizer,
        shown_as: str,
        given: Mapping[ControlName, float],
        opened: Path | None = None,
    ) -> None:
        """Take a generator and its name, and where the page starts.

        Args:
            colorizer: the generator.
            shown_as: its name for people.
            given: targets at which the sliders start.
            opened: photograph that the page opens with, in the temporary directory.
        """
        self.colorizer, self.shown_as, self.opened = colorizer, shown_as, opened
        self.first = starts(colorizer, given)
        own = {**colorizer.config.controls, **colorizer.assumed}
        self.own = [name for name in self.first if name in own]
        """Statistics that the generator has targets for."""
        self.photos: dict[str, Photo] = {}
        """Photograph of each open page, by its session."""
        self.writing = Lock()
        """Held while a file is written."""

    def taken(
        self, request: gr.Request, file: dict[str, Any] | None, chosen: list[str], *values: Typed
    ) -> tuple[Any, ...]:
        """Read the uploaded photograph and colour it, or forget the one there was."""
        session = str(request.session_hash)
        self.photos.pop(session, None)
        if file is None:
            return HINT, "", "", "", gr.update(interactive=False)
        path = Path(file["path"])
        try:
            photo = Photo(self.colorizer, path)
            before = demo_html.figure("Before", path, photo.before)
        except (UserError, MemoryError) as error:
            return demo_html.refused(path, error), "", "", "", gr.update(interactive=False)
        photo.chosen = chosen
        self.photos[session] = photo
        shown = demo_html.coloured(photo, self.targets(chosen, values))
        return demo_html.told(photo.told), before, *shown, gr.update(interactive=True)

    def moved(self, request: gr.Request, chosen: list[str], *values: Typed) -> tuple[Any, Any, Any]:
        """Colour the photograph anew at screen size."""
        nothing = gr.skip(), gr.skip(), gr.skip()
        photo = self.photos.get(str(request.session_hash))
        if photo is None or None in values:  # emptied, to be typed anew
            return nothing
        shown = demo_html.coloured(photo, self.targets(chosen, values))
        # Another one may have been uploaded meanwhile.
        is_current = self.photos.get(str(request.session_hash)) is photo
        return (*shown, demo_html.told(photo.told)) if is_current else nothing

    def chose(self, request: gr.Request, chosen: list[str]) -> list[Any]:
        """Note and show the chosen statistics; each slider begins at what the picture has."""
        photo = self.photos.get(str(request.session_hash))
        has = {} if photo is None else photo.measured([n for n in chosen if n not in photo.chosen])
        if photo is not None:
            photo.chosen = chosen
        sliders = [
            gr.update(visible=name in self.own or name in chosen)
            | ({"value": round(has[name], 2)} if name in has else {})
            for name in TARGET_RANGES
        ]
        return [" ".join(chosen), *sliders]

    def written(self, request: gr.Request, chosen: list[str], *values: Typed) -> tuple[Any, ...]:
        """Colour it in full size, into a file to download."""
        photo = self.photos.get(str(request.session_hash))
        if photo is None:  # removed meanwhile
            return None, HINT, gr.update(interactive=False)
        again = gr.update(interactive=True)
        try:
            with self.writing:
                file, found = photo.write(self.targets(chosen, values))
        except (UserError, MemoryError) as error:
            return None, demo_html.refused(photo.file, error), again
        each = (f"{name} {demo_html.number(name, o.achieved)}" for name, o in found.items())
        line = f"{file.name} is written in full size and depth: {', '.join(each)}"
        return str(file), demo_html.told(line.removesuffix(": ")), again

    def forgotten(self, request: gr.Request) -> None:
        """Forget the photograph of a page that was closed."""
        self.photos.pop(str(request.session_hash), None)

    def targets(self, chosen: list[str], values: tuple[Typed, ...]) -> dict[ControlName, float]:
        """Return the targets of the generator's own statistics, and of those that are chosen."""
        each = zip(TARGET_RANGES, values, strict=True)
        return {n: _allowed(n, value) for n, value in each if n in self.own or n in chosen}

    def page(self) -> gr.Blocks:
        """Build the page."""
        others = [name for name in TARGET_RANGES if name not in self.own]
        also = [name for name in self.first if name in others]
        blocks: gr.Blocks = gr.Blocks(title="colorsweep demo", analytics_enabled=False)
        with blocks:
            gr.HTML(f"<h1>colorsweep demo</h1><p>Generator: {escape(self.shown_as)}</p>")
            with gr.Row():
                with gr.Column(min_width=280, elem_id="controls"):
                    upload = gr.File(label="Photograph (JPEG, PNG, TIFF or WebP)", height=150)
                    told = gr.HTML(HINT)
                    sliders = [
                        _slider(name, self.first, visible=name in self.first)
                        for name in TARGET_RANGES
                    ]
                    with gr.Accordion("Other statistics", open=not self.own):
                        more = gr.CheckboxGroup(
                            others, value=also, label="Met by exact control alone"
                        )
                        # Of a gr.State the page hears through the queue only.
                        known = gr.Textbox(" ".join(also), visible="hidden")
                    table = gr.HTML()
                    download = gr.Button(
                        "Download in full size", variant="primary", interactive=False
                    )
                    file = gr.DownloadButton(visible="hidden", elem_id="file")
                before = gr.HTML(elem_classes="picture")
                after = gr.HTML(elem_classes="picture", elem_id="after")
            values = [more, *sliders]
            # Unprocessed: else Gradio refuses a number beyond the range, and fails on none, as it
            # is typed. Without its queue, whose client misses answers that come within 20 ms.
            plain: dict[str, Any] = {
                "show_progress": "hidden", "api_visibility": "private", "preprocess": False,
                "queue": False,
            }  # fmt: skip
            if self.opened:
                blocks.load(lambda: str(self.opened), None, upload, **plain)
            upload.change(
                self.taken, [upload, *values], [told, before, after, table, download], **plain
            )
            # What is done while the last answer is awaited must count, too, in its order.
            last: dict[str, Any] = {"trigger_mode": "always_last", **plain}
            more.input(self.chose, more, [known, *sliders], **last)
            changes = [known.change, *(slider.change for slider in sliders)]
            gr.on(changes, self.moved, values, [after, table, told], **last)
            download.click(
                lambda: (demo_html.told("Colouring in full size …"), gr.update(interactive=False)),
                None, [told, download], **plain,
            ).then(self.written, values, [file, told, download], **{**plain, "queue": True}).then(
                None, js=DOWNLOAD
            )  # fmt: skip
            blocks.unload(self.forgotten)
        return blocks


class OwnPages:
    """Middleware that refuses what a page of another origin sends, which could fill the disk."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        origin = headers.get("origin")
        if origin is None or urlsplit(origin).netloc == headers.get("host"):
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse("another origin", 403)(scope, receive, send)


def serve(demo: Demo, listening: Any) -> None:
    """Serve the page on a listening socket until Ctrl-C, to this machine alone.

    Ends when no file is being written any more.
    """
    app = FastAPI(openapi_url=None)
    app.add_middleware(OwnPages)
    # Else a page of another host, whose name leads here, could ask for the pictures.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    # Gradio's own fonts would be fetched from elsewhere.
    theme = gr.themes.Default(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"]
    )
    gr.mount_gradio_app(
        app, demo.page(), "/", server_name=LOOPBACK, footer_links=[], run_history=False,
        max_file_size=MOST_BYTES, ssr_mode=False, theme=theme,
        css=demo_html.CSS, head=demo_html.HEAD,
    )  # fmt: skip
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    with ExitStack() as ending:
        try:
            _Server(config, ending).run(sockets=[listening])
        finally:
            demo.writing.acquire()  # for good: a later one would come back after the end


class _Server(uvicorn.Server):
    """Uvicorn's, which says nothing at the end: Gradio prints a traceback of a move cut off."""

    def __init__(self, config: uvicorn.Config, ending: ExitStack) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """End; what is printed is dropped until the caller leaves its context."""
        self._ending.enter_context(redirect_stderr(StringIO()))
        await super().shutdown(sockets)


def _allowed(name: ControlName, typed: Typed) -> float:
    """Return the nearest number in the slider's range, as its box shows once it is left."""
    low, high = TARGET_RANGES[name]
    return min(max(typed or 0.0, low), high)


def _slider(name: ControlName, first: Mapping[ControlName, float], *, visible: bool) -> gr.Slider:
    low, high = TARGET_RANGES[name]
    middle = round((low + high) / 2, 2)
    return gr.Slider(low, high, first.get(name, middle), step=demo_html.step(name), label=name,
                     info=CONTROLS[name].meaning, visible=visible, buttons=[])  # fmt: skip
