from dataclasses import replace
from pathlib import Path

import pytest

from gan.errors import UserError
from orchestrator.store.attempts import Attempt
from orchestrator.store.manifest import changes, read_manifest, write_manifest
from orchestrator.store.prune_marker import PruneMarker
from orchestrator.store.trial_state import TrialState
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from reports.phase import TrialPhase

TEXT = """
settings: {steps: 8, batch_size: 8, penalty_from_step: 0}
axes: {saturation: [0.25, 0.75]}
"""


def trials(tmp_path: Path, text: str) -> list[Trial]:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return expand(read_sweep(file))


def told(before: list[Trial], now: list[Trial], step: int = 0, total: int = 20) -> list[str]:
    """The changes, where each trial has taken so many steps."""
    return changes(before, now, {t.key: TrialState(step=step, total_steps=total) for t in now})


def test_the_trials_of_a_launch_are_read_back(tmp_path: Path) -> None:
    written = trials(tmp_path, TEXT + "points: [{}, {hue: 0.6, hue.weight: 7}]")
    write_manifest(tmp_path, written)
    assert read_manifest(tmp_path) == written


def test_where_no_launch_is_on_record_there_are_no_trials(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{", "{}", '[{"name": 1}]', "[1]"])
def test_a_damaged_record_is_told_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "trials.json").write_text(content)
    with pytest.raises(UserError, match=r"^\S+/trials\.json: cannot be read, .*$"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("edited", "lines"),
    [
        (TEXT, []),
        (TEXT.replace("0.75]", "0.75, 1]"), ["new: [saturation=1]"]),
        (
            TEXT.replace("[0.25, 0.75]", "[0.25]"),
            ["no longer in the file: [saturation=0.75]; kept, and left out of the report"],
        ),
        (
            TEXT.replace("steps: 8", "steps: 20"),
            [
                "changed: steps 8 -> 20",
                "to go on where they ended: [saturation=0.25], [saturation=0.75]",
            ],
        ),
        (TEXT.replace("steps: 8", "steps: 4"), ["changed: steps 8 -> 4"]),
        (
            TEXT.replace("batch_size: 8", "batch_size: 16"),
            [
                "changed: batch_size 8 -> 16",
                "to be trained anew: [saturation=0.25], [saturation=0.75]; what they were is kept",
            ],
        ),
        (
            TEXT.replace("[0.25, 0.75]", "[0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.75]"),
            [
                "new: [saturation=0], [saturation=0.1], [saturation=0.2], [saturation=0.3] and 1 "
                "more"
            ],
        ),
    ],
)
def test_what_an_edit_changes_is_said_in_a_few_lines(
    tmp_path: Path, edited: str, lines: list[str]
) -> None:
    assert told(trials(tmp_path, TEXT), trials(tmp_path, edited)) == lines


def test_where_a_penalty_begins_late_another_length_trains_anew(tmp_path: Path) -> None:
    text = TEXT.replace("penalty_from_step: 0", "penalty_from_step: 0.5") + "points: [{}]"
    edited = trials(tmp_path, text.replace("steps: 8", "steps: 20"))
    assert told(trials(tmp_path, text), edited) == [
        "changed: steps 8 -> 20",
        "to go on where they ended: [baseline]",
        "to be trained anew, since their penalty starts at a share of the length: "
        "[saturation=0.25], [saturation=0.75]; what they were is kept",
    ]


def test_a_trial_of_another_version_is_trained_anew(tmp_path: Path) -> None:
    now = trials(tmp_path, TEXT)[:1]
    assert told([replace(now[0], key="of another schema")], now) == [
        "to be trained anew: [saturation=0.25]; what they were is kept"
    ]


def test_a_trial_that_has_steps_already_is_not_trained_anew(tmp_path: Path) -> None:
    edited = trials(tmp_path, TEXT.replace("batch_size: 8", "batch_size: 16"))
    before = trials(tmp_path, TEXT)
    assert told(before, edited, step=8, total=8) == ["changed: batch_size 8 -> 16"]


def test_a_setting_that_a_lasting_trial_does_not_look_at_is_no_change_of_its_length(
    tmp_path: Path,
) -> None:
    text = TEXT.replace("axes: {saturation: [0.25, 0.75]}", "")
    edited = text.replace("penalty_from_step: 0", "penalty_from_step: 0.5")
    assert told(trials(tmp_path, text), trials(tmp_path, edited)) == []


def test_a_trial_that_is_longer_than_the_file_asks_is_named_and_none_goes_on_that_is_done(
    tmp_path: Path,
) -> None:
    short, long = (trials(tmp_path, TEXT.replace("8, b", f"{n}, b")) for n in (8, 20))
    names = "[saturation=0.25], [saturation=0.75]"
    assert told(long, short, step=20, total=8) == [
        "changed: steps 20 -> 8",
        f"trained longer than the file asks, and kept so: {names}",
    ]
    assert told(short, short, step=20, total=8)[0].startswith("trained longer")
    assert told(short, long, step=20, total=20) == ["changed: steps 8 -> 20"]


def test_a_trial_that_other_terms_pruned_is_named_since_it_goes_on(tmp_path: Path) -> None:
    now = trials(tmp_path, TEXT)
    attempts = [Attempt("host", 1, 0.0, 1.0, ended=TrialPhase.PRUNED)]
    unpruned = TrialState(step=4, total_steps=8, attempts=attempts)
    marker = PruneMarker(4, "mae", 0.2, 0.2, "asha", {})
    states = {now[0].key: unpruned, now[1].key: replace(unpruned, marker=marker)}
    assert changes(now, now, states) == ["pruned on other terms, and to go on: [saturation=0.25]"]
