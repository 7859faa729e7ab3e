"""Ctrl-C and SIGTERM as stop requests."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def graceful_stop(ask: Callable[[], None], say: Callable[[str], None]) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into a stop request; a second one ends the process at once.

    Outside the main thread, which alone receives signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        ask()
        restore()
        say("Stopping after a checkpoint. Again to quit at once.")

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()
