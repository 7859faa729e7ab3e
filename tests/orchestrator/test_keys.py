import hashlib
import json
from pathlib import Path

import pytest

from tests.support.sweep_files import trials


def test_a_key_is_the_hash_of_what_is_set_and_never_changes(file: Path) -> None:
    # Directories and runs of earlier launches have these names.
    (trial,) = trials(file, "settings: {steps: 5, batch_size: 8, saturation: 0.5, hue: 0}")
    controls = {"hue": {"target": 0.0}, "saturation": {"target": 0.5}}
    content = json.dumps([6, {"batch_size": 8, "controls": controls, "steps": 5}], sort_keys=True)
    assert trial.key == hashlib.sha256(content.encode()).hexdigest()[:10]


@pytest.mark.parametrize(
    "same",
    [
        "{steps: 9, saturation: 0.5, penalty_from_step: 0}",
        "{epochs: 2, saturation: 0.5, penalty_from_step: 0}",
        "{saturation: {weight: 100, target: 0.50}, penalty_from_step: 0}",
        "{dataset: photos, saturation: 0.5, batch_size: 128, penalty_from_step: 0.0}",
    ],
)
def test_length_order_and_defaults_do_not_change_a_key(file: Path, same: str) -> None:
    (one,) = trials(file, "settings: {steps: 5, penalty_from_step: 0}\npoints: [{saturation: 0.5}]")
    (other,) = trials(file, f"settings: {{steps: 5}}\npoints: [{same}]")
    assert one.key == other.key


def test_the_length_counts_where_a_penalty_acts_from_a_share_of_it(file: Path) -> None:
    text = (
        "points: [{saturation: 0.5, penalty_from_step: %s, steps: 5}, {saturation: 0.5, steps: 9}]"
    )
    late = trials(file, text % 0.5)
    assert len({trial.key for trial in late}) == 2
    for free in ("{steps: 5}", "{saturation: {target: 0.5, weight: 0}, steps: 5}"):
        (short,) = trials(file, f"points: [{free}]")
        (long,) = trials(file, f"points: [{free.replace('steps: 5', 'epochs: 9')}]")
        assert short.key == long.key


def test_whatever_trains_another_generator_changes_the_key(file: Path) -> None:
    text = """
    settings: {steps: 5}
    axes: {hue: [0, 0.5], hue.weight: [0, 200], seed: [0, 1], batch_size: [128, 64]}
    points: [{}, {seed: 1}, {saturation: 0}, {augment: false}, {image_size: 64},
      {dataset: folder, dataset_path: a}, {dataset: folder, dataset_path: b}]
    """
    keys = [trial.key for trial in trials(file, text)]
    # The grid, the points, and the four baselines of the point {}, one of which is {seed: 1}.
    assert len(keys) == len(set(keys)) == 16 + 6 + 3
