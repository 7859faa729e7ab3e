"""Pictures that trials were trained on, compared with those that their datasets have now."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from gan import checkpoint
from gan.byte_names import as_path
from gan.config import TrainConfig
from gan.data.identity import Source, dataset_of, source_of
from gan.errors import UserError
from orchestrator.store.manifest import names_of
from orchestrator.store.paths import PICTURES
from orchestrator.store.sealed import sealed, unsealed
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.trials import Trial

OWN = ("folder", "npz")
"""Datasets of the user's own pictures, which may change; the others are published as they are."""


def other_pictures(
    trials: Sequence[Trial], states: Mapping[str, TrialState], now: Mapping[Source, str]
) -> list[str]:
    """Name the trials of other pictures than their datasets have ``now``, a line per dataset."""
    others: dict[Source, list[Trial]] = {}
    for trial in trials:
        digest, source = states[trial.key].dataset_digest, source_of(trial.config)
        if digest and now.get(source, digest) != digest:
            others.setdefault(source, []).append(trial)
    return [
        f"trained on other pictures than those of {dataset_of(these[0].config)} now: "
        f"{names_of(these)}; to train on these, launch under another name of the sweep, or "
        f"remove the trial's directory"
        for these in others.values()
    ]


def digests_now(
    trials: Sequence[Trial], states: Mapping[str, TrialState], sweep: Path
) -> dict[Source, str]:
    """Return the digests of the datasets of a launch, by what configs call them.

    Those of trials that are to be trained are loaded already. The others, the user's own, are
    loaded only if a file has changed since the last launch: ``PICTURES`` in the sweep's directory
    remembers their digests. Published ones are left out unless loaded, as are missing ones.
    """
    of_source: dict[Source, list[Trial]] = {}
    for trial in trials:
        of_source.setdefault(source_of(trial.config), []).append(trial)
    remembered, found, seen = _read(sweep / PICTURES), {}, {}
    for source, these in of_source.items():
        config = these[0].config
        own = config.dataset in OWN
        loaded = config.dataset != "photos" and not all(states[t.key].phase.is_done for t in these)
        if not own and not loaded:
            continue
        stamp = _stamp(config) if own else ""
        digest = None if loaded else remembered.get(stamp)
        if digest is None and (digest := _digest(config)) is None:
            continue
        found[source] = digest
        if own:
            seen[stamp] = digest
    if seen != remembered:
        checkpoint.write_file(sweep / PICTURES, sealed(seen))
    return found


def digest_of_loaded(config: TrainConfig) -> str:
    """Return the digest of a dataset that this process has loaded."""
    # torch takes seconds to import.
    from gan.data.datasets import load

    return load(config).digest


def _digest(config: TrainConfig) -> str | None:
    try:
        return digest_of_loaded(config)
    except UserError:  # a finished trial does not need it
        return None


def _stamp(config: TrainConfig) -> str:
    """Hash path, size and times of every file of the user's own dataset, without opening any."""
    path = Path.cwd() / Path(as_path(config.dataset_path or "")).expanduser()
    sha = hashlib.sha256(repr((config.dataset, config.image_size)).encode())
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        try:
            about = file.stat()
        except OSError:
            continue
        sha.update(os.fsencode(file))
        # The time of the inode's change cannot be set, as the other can by a copy.
        sha.update(repr((about.st_size, about.st_mtime_ns, about.st_ctime_ns)).encode())
    return sha.hexdigest()


def _read(record: Path) -> dict[str, str]:
    try:
        return unsealed(record.read_bytes())
    except (OSError, ValueError):
        return {}
