"""All mistakes of a sweep file at once, each with its line."""

from pathlib import Path

import pytest

from gan.errors import UserError
from orchestrator.sweep.mistakes import MOST
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand

MANY = """\
settings:
  dataset: folder
  batchsize: 8
  steps: 1_000
  base_channels: 8.5
  <<: &more {seed: -1}
axes:
  satruation: [0.5]
  saturation:
    - 0.25
    - 1.5
  hue.weight: [1, -1]
  hue: [0.5]
points:
  - {}
  - {hue: 0.6, steps: 5, epochs: 7}
  - hue:
      target: 0
      wieght: 3
  - {saturation: 0.5,
     seed: -2}
resources: {cpus: 2}
objective: {metrik: mae}
notfy: x
seed: 1
seed: 2
"""
TOLD = [
    (3, "settings.batchsize: unknown key 'batchsize'; did you mean 'batch_size'?"),
    (4, "settings.steps: must be a number, not '1_000'; write 1000"),
    (5, "settings.base_channels: must be a whole number, not 8.5"),
    (6, "settings.seed: input should be greater than or equal to 0, not -1"),
    (8, "axes.satruation: unknown key 'satruation'; did you mean 'saturation'?"),
    (11, "axes: saturation.target 1.5 is not in [0, 1]"),
    (12, "axes.hue.weight: input should be greater than or equal to 0, not -1"),
    (19, "points[2].hue: unknown key 'wieght'; did you mean 'weight'? Valid: target, weight,"),
    (21, "points[3].seed: input should be greater than or equal to 0, not -2"),
    (22, "resources.cpus: unknown key 'cpus'; valid: cpus_per_trial, gpus_per_trial"),
    (23, "objective.metric: is missing"),
    (23, "objective.metrik: unknown key 'metrik'; did you mean 'metric'?"),
    (24, "notfy: unknown key 'notfy'; did you mean 'notify'?"),
    (26, "seed: is given twice"),
    (26, "seed: unknown key 'seed'; valid: settings, axes,"),
]


def test_all_mistakes_are_told_at_once_each_with_its_line(file: Path) -> None:
    file.write_text(MANY)
    with pytest.raises(UserError) as raised:
        read_sweep(file)
    lines = raised.value.lines
    assert len(lines) == len(TOLD), lines
    for line, (number, text) in zip(lines, TOLD, strict=True):
        assert line.startswith(f"{file}:{number}: {text}"), line


def test_settings_that_do_not_go_together_are_told_with_the_other_mistakes(file: Path) -> None:
    file.write_text(
        "settings: {dataset: folder, steps: 5}\npoints:\n  - {seed: 1}\n"
        "  - {sede: 2}\n  - {steps: 7, epochs: 2, dataset_path: x}\n"
    )
    with pytest.raises(UserError) as raised:
        read_sweep(file)
    assert raised.value.lines == [
        f"{file}:1: settings: dataset folder needs a dataset_path",
        f"{file}:4: points[1].sede: unknown key 'sede'; did you mean 'seed'?",
        f"{file}:5: points[2]: steps and epochs both give the length; write steps: 7 alone, or "
        "epochs: 2 alone",
    ]


def test_of_very_many_mistakes_the_first_are_told_and_the_others_counted(file: Path) -> None:
    file.write_text("points:\n" + "  - {sede: 1}\n" * 1000)
    with pytest.raises(UserError) as raised:
        read_sweep(file)
    first, *_, last = raised.value.lines
    assert first.startswith(f"{file}:2: points[0].sede: ")
    assert last == f"{file}: and {1000 - MOST} more mistakes"
    assert len(raised.value.lines) == MOST + 1


def test_mistakes_within_lists_keep_their_key_and_line(file: Path) -> None:
    file.write_text(
        "settings:\n  steps: 5\n  distribution_scales: [0, x]\n"
        "axes:\n  batch_size:\n    - 1\n    - true\n"
    )
    with pytest.raises(UserError) as raised:
        expand(read_sweep(file))
    scales, low, flag = raised.value.lines
    assert scales.startswith(
        f"{file}:3: settings.distribution_scales: must be a number, not [0, 'x']"
    )
    assert low.startswith(f"{file}:6: axes.batch_size: input should be greater than or equal to 2")
    assert flag == f"{file}:7: axes.batch_size: must be a number, not True"


def test_a_list_in_the_settings_is_shown_its_place(file: Path) -> None:
    file.write_text("settings:\n  steps: 5\n  seed: [1, 2]\n  saturation: [0.2, 0.4]\n")
    with pytest.raises(UserError) as raised:
        expand(read_sweep(file))
    for line, (number, name) in zip(
        raised.value.lines, [(3, "seed"), (4, "saturation.target")], strict=True
    ):
        assert line.startswith(f"{file}:{number}: settings.{name}: takes one value; values")
