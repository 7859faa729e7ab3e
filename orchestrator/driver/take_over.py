"""Take-over of trials that another sweep of the same storage has finished.

A trial is named by all that it trains, its length aside, so a finished one of the same key and the
same pictures is what this sweep would train, or its beginning.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gan.data.identity import DatasetSource, dataset_of, source_of
from orchestrator.driver.pictures import digest_of_loaded
from orchestrator.store.manifest import names_of
from orchestrator.store.other_sweeps import Candidate, LocalOthers, ObjectOthers, others_of
from orchestrator.store.sweep_store import SweepStore
from orchestrator.store.trial_state import TrialState, at_checkpoint
from orchestrator.sweep.trials import Trial
from reports.phase import trials_are


@dataclass(frozen=True)
class TakeOver:
    """Trials of a launch that other sweeps have finished."""

    states: dict[str, TrialState]
    """States of those that are taken over, by key."""
    lines: list[str]
    """Names of these trials and of their sweeps, in a few lines."""
    refusals: list[str]
    """Trials that cannot be taken over, and the reason, in a few lines."""


@dataclass(frozen=True)
class _Found:
    trial: Trial
    candidates: list[Candidate]
    """Trials of other sweeps that can be taken over, the best first."""
    reasons: list[str]
    """Reasons why others cannot."""


def take_over(
    trials: Sequence[Trial],
    states: Mapping[str, TrialState],
    store: SweepStore,
    *,
    dry_run: bool = False,
) -> TakeOver:
    """Copy what other sweeps have finished of the trials that are to be trained.

    A trial is taken over if that is further than its own training here and not longer than it is
    asked for; one that is to be longer is trained on. Of several sweeps it is the one with more
    steps, one that has trained it itself, or the first by name. Nothing is copied in a dry run.

    Raises:
        UserError: storage fails, or a dataset whose pictures are to be compared cannot be used.
    """
    others = others_of(store)
    # A process of a dead launch may still train one, for some seconds.
    todo = {t.key: t for t in trials if states[t.key].is_to_train and not states[t.key].is_locked}
    having = others.having(todo.keys()) if todo else {}

    def look(key: str) -> list[Candidate]:
        found = [others.candidate(key, sweep) for sweep in having[key]]
        return [c for c in found if c and c.is_finished and c.trial["step"] > states[key].step]

    def take(found: _Found) -> tuple[Candidate | None, list[str]]:
        return _take(found, others, dry_run=dry_run)

    with ThreadPoolExecutor(others.threads) as pool:
        looked = zip(having, pool.map(look, having), strict=True)
        finished = {key: candidates for key, candidates in looked if candidates}
        # The order of the trials, for the lines.
        found = _judged([(todo[key], finished[key]) for key in todo if key in finished])
        results = [*zip(found, pool.map(take, found), strict=True)]
    taken = {each.trial.key: chosen for each, (chosen, _) in results if chosen is not None}
    named = [(f"from {taken[key].sweep}", todo[key]) for key in todo if key in taken]
    refused = [(why, f.trial) for f, (c, reasons) in results if c is None for why in reasons]
    return TakeOver(
        {k: at_checkpoint(states[k], todo[k], c.trial, c.lineage) for k, c in taken.items()},
        [
            f"{trials_are(len(of))} taken over {sweep}: {names_of(of)}"
            for sweep, of in _grouped(named).items()
        ],
        [f"not taken over from {why}: {names_of(of)}" for why, of in _grouped(refused).items()],
    )


def nothing_new(trials: Sequence[Trial], states: Mapping[str, TrialState]) -> TakeOver:
    """Take over nothing, and name what earlier launches have taken over."""
    kept = [trial for trial in trials if states[trial.key].lineage is not None]
    line = (
        f"taken over by an earlier launch, and kept so: {names_of(kept)}; to train anew, launch a "
        "copy of the sweep file under another name with --fresh"
    )
    return TakeOver({}, [line] if kept else [], [])


def _judged(finished: Iterable[tuple[Trial, list[Candidate]]]) -> list[_Found]:
    """Tell the candidates that trained this trial, on the pictures of now, from the others."""
    digests: dict[DatasetSource, str] = {}
    found = []
    for trial, candidates in finished:
        source, fit, reasons = source_of(trial.config), [], []
        if source not in digests:
            digests[source] = digest_of_loaded(trial.config)
        for each in candidates:
            if each.trial["dataset_digest"] != digests[source]:
                reasons.append(
                    f"{each.sweep}, as {dataset_of(trial.config)} has other pictures now"
                )
            elif each.trial["step"] > trial.config.total_steps(each.trial["images"]):
                reasons.append(f"{each.sweep}, where it was trained longer than this file asks")
            else:
                fit.append(each)
        fit.sort(key=lambda each: (-each.trial["step"], each.is_taken_over, each.sweep))
        found.append(_Found(trial, fit, reasons))
    return found


def _take(
    found: _Found, others: LocalOthers | ObjectOthers, *, dry_run: bool
) -> tuple[Candidate | None, list[str]]:
    """Take over the best sound candidate; return it, and the reasons against others."""
    reasons = [*found.reasons]
    for each in found.candidates:
        if (others.is_sound if dry_run else others.copy)(found.trial.key, each):
            return each, reasons
        reasons.append(f"{each.sweep}, where its checkpoint is damaged")
    return None, reasons


def _grouped(named: Iterable[tuple[str, Trial]]) -> dict[str, list[Trial]]:
    groups: dict[str, list[Trial]] = {}
    for name, trial in named:
        groups.setdefault(name, []).append(trial)
    return groups
