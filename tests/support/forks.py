"""Processes to be killed that have imported everything: each begins at once."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest import mock


def forked(target: Callable[..., object], *args: Any) -> BaseProcess:
    """Start a function of ``tests.support`` in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.forks_imports"])
    with mock.patch.dict(os.environ, {"PYTHONPATH": str(Path(__file__).parents[2])}):
        forkserver.ensure_running()  # knows no other way to find what is to be imported
    process = context.Process(target=target, args=args, daemon=True)
    process.start()
    return process
