"""Files of a finished trial's generator in the tracking store, with their checksums."""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gan.errors import UserError
from reports.experiments import Client
from reports.runs import TrialRun
from reports.store import artifacts, download

GENERATOR = "generator"
"""Artifact of a finished trial: its weights, config and ``SUMS``."""
SUMS = "SHA256SUMS"
"""File of the checksums of the others, as ``sha256sum --check`` reads it."""


def with_sums(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return files by name, and the file of their checksums."""
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return {**files, SUMS: "".join(lines).encode()}


def fetch_generator(client: Client, run: TrialRun, directory: Path) -> Path | None:
    """Fetch a finished trial's generator into a directory.

    Returns:
        Directory with the generator and its config.json; None if the store has no generator.

    Raises:
        UserError: a file is missing or damaged.
        One of STORE_ERRORS: the store failed.
    """
    if not artifacts(client, run, GENERATOR):
        return None
    fetched = download(client, run, GENERATOR, str(directory))
    if (damaged := _damaged(fetched)) is not None:
        raise UserError(
            f"{run.name}: {damaged} of its generator is missing or damaged in the tracking store"
            f" (run {run.run_id}); {elsewhere(run)}"
        )
    return fetched


def recorded_digest(client: Client, run: TrialRun, name: str) -> str | None:
    """Return the SHA-256 of a file of a trial's generator, as recorded in the store.

    Returns:
        None if the store has no generator, or no checksum of that file.

    Raises:
        One of STORE_ERRORS: the store failed.
    """
    if not any(Path(file.path).name == SUMS for file in artifacts(client, run, GENERATOR)):
        return None
    with tempfile.TemporaryDirectory() as directory:
        lines = _lines(download(client, run, f"{GENERATOR}/{SUMS}", directory))
    return next((digest for digest, of in lines if of == name), None)


def elsewhere(run: TrialRun) -> str:
    """Return where a generator can be had that the tracking store lacks."""
    return f"use --generator RUNS/sweeps/SWEEP/{run.key} where its checkpoints are"


def _damaged(directory: Path) -> str | None:
    """Return the name of the first file that is not as its checksum says."""
    lines = _lines(directory / SUMS)
    for digest, name in lines:
        try:
            content = (directory / Path(name).name).read_bytes()
        except OSError:
            return name
        if hashlib.sha256(content).hexdigest() != digest:
            return name
    return None if lines else SUMS


def _lines(sums: Path) -> list[tuple[str, str]]:
    """Return digest and name of each line; nothing if the file cannot be read."""
    try:
        lines = sums.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    parts = (line.partition("  ") for line in lines)
    return [(digest, name) for digest, _, name in parts]
