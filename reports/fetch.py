"""Fetching of many things from the tracking store at the same time.

A server takes its time for each request, and one with authentication much longer.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gan import checkpoint
from reports.experiments import Client
from reports.runs import TrialRun
from reports.store import curve, sample, sample_paths

AT_ONCE = 8
"""Maximum number of requests at the same time; MLflow's client keeps 10 connections open."""

Item = TypeVar("Item")
Fetched = TypeVar("Fetched")
Points = list[tuple[int, float]]
"""Pairs (step, value)."""


def fetch_all(fetch: Callable[[Item], Fetched], items: Sequence[Item]) -> list[Fetched]:
    """Call a function that asks the store for each item, several at once; keep their order.

    Raises:
        Exception: that of the first item whose call failed; calls not yet begun are left out.
    """
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as pool:
        return list(pool.map(fetch, items))


def samples(client: Client, wanted: Sequence[tuple[TrialRun, int]]) -> list[dict[int, bytes]]:
    """Fetch sample grids (PNG) of trials by step, spread over their training; the newest is last.

    Args:
        client: client of the store.
        wanted: run of each trial, and the maximum number of its grids.
    """
    paths = fetch_all(lambda each: sample_paths(client, *each), wanted)
    named = [(run, path) for (run, _), of in zip(wanted, paths, strict=True) for path in of]
    grids = iter(fetch_all(lambda each: sample(client, *each), named))
    return [{checkpoint.step_of(path): next(grids) for path in of} for of in paths]


def curves(client: Client, wanted: Sequence[tuple[TrialRun, str]]) -> list[Points]:
    """Fetch all measured points of metrics of trials, each by step."""
    return fetch_all(lambda each: curve(client, *each), wanted)
