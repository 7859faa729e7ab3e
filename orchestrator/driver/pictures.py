"""Pictures that trials were trained on, compared with those that their datasets have now."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gan import checkpoint
from gan.byte_names import as_path
from gan.config import TrainConfig
from gan.data.identity import DatasetSource, dataset_of, source_of
from gan.errors import UserError
from orchestrator.store.manifest import names_of
from orchestrator.store.paths import PICTURES
from orchestrator.store.sealed import sealed, unsealed
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.trials import Trial

OWN = ("folder", "npz")
"""Datasets of the user's own pictures, which may change; a published one is the same for ever."""


def compared(
    trials: Sequence[Trial], states: Mapping[str, TrialState], now: Mapping[DatasetSource, str]
) -> dict[str, TrialState]:
    """Return the states, in which trials of other pictures than those of ``now`` are marked.

    So is a recoloured trial that is to take over the training of such a baseline.
    """
    marked = {}
    for trial in trials:
        state, source = states[trial.key], source_of(trial.config)
        keys = {trial.key}
        if trial.config.recolour and not state.phase.is_done:
            keys.add(trial.config.without_control().key())
        digests = {states[key].dataset_digest for key in keys & states.keys()}
        others = source in now and bool(digests - {"", now[source]})
        marked[trial.key] = replace(state, other_pictures=others)
    return marked


def other_pictures(trials: Sequence[Trial], states: Mapping[str, TrialState]) -> list[str]:
    """Name the done trials of other pictures than their datasets have, a line per dataset."""
    done = [t for t in trials if states[t.key].other_pictures and states[t.key].phase.is_done]
    return [
        f"trained on other pictures than those of {dataset} now: {names_of(these)}; to train on "
        "these, launch a copy of the sweep file under another name, or remove the trial's directory"
        for dataset, these in _by_dataset(done)
    ]


def kept_back(trials: Sequence[Trial], states: Mapping[str, TrialState]) -> list[Trial]:
    """Return the trials that a launch does not train, as their pictures were replaced."""
    return [t for t in trials if states[t.key].other_pictures and not states[t.key].phase.is_done]


def cannot_go_on(trials: Sequence[Trial]) -> list[str]:
    """Say which trials are kept back, and what to do, in a line per dataset."""
    return [
        f"cannot go on, as {dataset} has other pictures now: {names_of(these)}; put the former "
        f"ones back, or remove the directories of these trials"
        f"{' and of their baselines' if any(t.config.recolour for t in these) else ''} to train "
        "anew, or launch a copy of the sweep file under another name"
        for dataset, these in _by_dataset(trials)
    ]


def _by_dataset(trials: Sequence[Trial]) -> list[tuple[str, list[Trial]]]:
    of_source: dict[DatasetSource, list[Trial]] = {}
    for trial in trials:
        of_source.setdefault(source_of(trial.config), []).append(trial)
    return [(dataset_of(these[0].config), these) for these in of_source.values()]


def digests_now(
    trials: Sequence[Trial], states: Mapping[str, TrialState], sweep: Path
) -> dict[DatasetSource, str]:
    """Return the digests of the user's own datasets, by what configs call them.

    Those of trials that are to be trained are loaded already. The others are loaded only if a file
    has changed since the last launch: ``PICTURES`` in the sweep's directory remembers their
    digests. Missing ones are left out.
    """
    of_source: dict[DatasetSource, list[Trial]] = {}
    for trial in trials:
        if trial.config.dataset in OWN:
            of_source.setdefault(source_of(trial.config), []).append(trial)
    remembered, found = _read(sweep / PICTURES), {}
    known = dict(remembered)
    for source, these in of_source.items():
        config, loaded = these[0].config, not all(states[t.key].phase.is_done for t in these)
        with suppress(UserError):  # a finished trial does not need them
            stamp = _stamp(config)
            if loaded or stamp not in known:
                found[source], is_new = _digest(config)
                if is_new:
                    known[stamp] = found[source]
            else:
                found[source] = known[stamp]
    if known != remembered:
        with suppress(OSError):  # it only saves time
            checkpoint.write_file(sweep / PICTURES, sealed(known))
    return found


def digest_of_loaded(config: TrainConfig) -> str:
    """Return the digest of a dataset that this process has loaded."""
    return _digest(config)[0]


def _digest(config: TrainConfig) -> tuple[str, bool]:
    """Return a dataset's digest, and whether it was loaded for that, not before."""
    # torch takes seconds to import.
    from gan.data.datasets import load, loads

    before = loads()
    return load(config).digest, loads() > before


def _stamp(config: TrainConfig) -> str:
    """Hash path, size and times of every file of the user's own dataset, without opening any.

    Raises:
        UserError: a directory cannot be read.
    """
    path = Path.cwd() / Path(as_path(config.dataset_path or "")).expanduser()
    sha = hashlib.sha256(repr((config.dataset, config.image_size)).encode())
    for file in _pictures(path) if path.is_dir() else [path]:
        try:
            about = file.stat()
        except OSError:
            continue
        sha.update(os.fsencode(file))
        # The time of the inode's change cannot be set, as the other can by a copy.
        sha.update(repr((about.st_size, about.st_mtime_ns, about.st_ctime_ns)).encode())
    return sha.hexdigest()


def _pictures(folder: Path) -> Iterator[Path]:
    """Yield the files that a folder's loader reads."""
    # libvips takes 0.1 s to load, and an .npz does not need it.
    from gan.data.picture_file import parts_of, picture_names

    for part in parts_of(folder):
        yield from (part / name for name in picture_names(str(part)))


def _read(record: Path) -> dict[str, str]:
    try:
        return unsealed(record.read_bytes())
    except (OSError, ValueError):
        return {}
