"""Download of a trial's newest sound checkpoint from an object store."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from gan import checkpoint
from orchestrator.store.object_store import Entry, ObjectStore

log = logging.getLogger(__name__)


def fetch_newest(
    store: ObjectStore,
    path: str,
    found: Mapping[str, Entry],
    trial: Path,
    names: Sequence[str] | None = None,
) -> Path | None:
    """Fetch the newest checkpoint with correct sizes and digests, and warn of damaged ones.

    ``found`` are the objects below ``path``, the trial's path in the store, by relative name. Only
    the files ``names`` are fetched, if given. A checkpoint that ``trial``, the local directory,
    already has is kept.

    Returns:
        Directory of the checkpoint, whose manifest marks the other files; None if there is none.

    Raises:
        OSError: the store fails; FileNotFoundError if a newer checkpoint came since the listing.
    """
    root = checkpoint.checkpoints_of(trial)
    manifests = [
        n for n in found if n.startswith("checkpoints/") and n.endswith(checkpoint.MANIFEST)
    ]
    for name in sorted(manifests, reverse=True):
        step = Path(name).parent.name
        target = root / step
        if names is not None and _has(target, found[name].time, names):
            return target
        if _fetch(store, path, found, f"checkpoints/{step}", target, names):
            os.utime(target / checkpoint.MANIFEST, ns=(found[name].time, found[name].time))
            return target
        log.warning("skipped a damaged checkpoint: %s/%s/checkpoints/%s", store.uri, path, step)
    return None


def _has(target: Path, changed: int, names: Sequence[str]) -> bool:
    manifest = target / checkpoint.MANIFEST
    if not manifest.exists() or manifest.stat().st_mtime_ns != changed:
        return False
    there = checkpoint.read(target, *names)
    return there is not None and there.files.keys() == {*names}


def _fetch(
    store: ObjectStore,
    path: str,
    found: Mapping[str, Entry],
    step: str,
    target: Path,
    names: Sequence[str] | None,
) -> bool:
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        manifest = json.loads(store.read(f"{path}/{step}/{checkpoint.MANIFEST}"))
        if not manifest.keys() >= {*checkpoint.FILES}:
            return False
        wanted = {name: manifest[name] for name in (manifest if names is None else names)}
        for name, entry in manifest.items():
            if found[f"{step}/{name}"].size != entry["bytes"]:
                return False
        for name, entry in wanted.items():
            store.download(f"{path}/{step}/{name}", temporary / name)
            with (temporary / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                    return False
        elsewhere = {checkpoint.ELSEWHERE: True}
        there = {n: entry if n in wanted else entry | elsewhere for n, entry in manifest.items()}
        (temporary / checkpoint.MANIFEST).write_text(json.dumps(there))
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True
