"""Names of trials as shown: what differs among those that are shown together."""

from pathlib import Path

import pytest

from gan.config import TrainConfig
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand
from reports.names import difference, differing, shown_names

GRID = "axes: {saturation: [0.25, 0.5], saturation.weight: [50, 100], seed: [0, 1]}\npoints: [{}]\n"


def of_file(directory: Path, name: str, text: str) -> list[Trial]:
    file = directory / f"{name}.yaml"
    file.write_text(text)
    return expand(read_sweep(file))


def named(**of: list[Trial]) -> list[str]:
    """The names of trials, by what they are of."""
    trials = [trial for these in of.values() for trial in these]
    groups = [name for name, these in of.items() for _ in these]
    return shown_names([t.name for t in trials], [t.config for t in trials], groups)


def configs(trials: list[Trial]) -> list[TrainConfig]:
    return [trial.config for trial in trials]


@pytest.mark.parametrize("file", sorted(Path("sweeps").glob("*.yaml")), ids=lambda file: file.stem)
def test_within_one_file_a_trial_keeps_the_files_name(file: Path) -> None:
    trials = expand(read_sweep(file))
    # A weight has one name, as what each trial sets.
    assert named(one=trials) == [
        t.name.replace("penalty_weight", "saturation.weight") for t in trials
    ]


def test_what_an_edit_changed_is_told_of_all_and_no_two_names_are_equal(tmp_path: Path) -> None:
    before = of_file(tmp_path, "grid", "settings: {steps: 5, base_channels: 8}\n" + GRID)
    now = of_file(tmp_path, "grid", "settings: {steps: 5, base_channels: 12}\n" + GRID)
    assert [t.name for t in before] == [t.name for t in now]
    names = named(left=before, file=now)
    assert len({*names}) == len(names) == 2 * (8 + 2 + 4)
    assert names == [
        *(f"{trial.name}, base_channels=8" for trial in before),
        *(f"{trial.name}, base_channels=12" for trial in now),
    ]


def test_of_settings_that_change_together_the_first_is_told_and_all_are_listed(
    tmp_path: Path,
) -> None:
    short = of_file(tmp_path, "short", "settings: {steps: 50, lr_decay_steps: 40}\n" + GRID)
    long = of_file(tmp_path, "long", "settings: {steps: 90, lr_decay_steps: 80}\n" + GRID)
    assert (
        named(short=short, long=long)[0]
        == "saturation=0.25, saturation.weight=50, seed=0, steps=50"
    )
    both = differing(configs(short + long))
    assert both[0] == {
        **{"steps": 50, "seed": 0, "lr_decay_steps": 40.0, "saturation.weight": 50.0},
    }
    assert difference({"short": configs(short), "long": configs(long)}) == (
        "The sweeps differ in steps (50 in short; 90 in long), "
        "lr_decay_steps (40 in short; 80 in long)."
    )


def test_a_default_that_one_file_writes_out_is_no_difference(tmp_path: Path) -> None:
    silent = of_file(tmp_path, "silent", "settings: {steps: 5}\naxes: {hue: [0, 0.5]}\n")
    spoken = of_file(
        tmp_path,
        "spoken",
        "settings: {steps: 5, seed: 0, base_channels: 64, penalty_weight: 100}\n"
        "axes: {hue: [0, 0.5]}\n",
    )
    assert named(silent=silent, spoken=spoken) == 2 * ["hue=0", "hue=0.5"]
    told = difference({"silent": configs(silent), "spoken": configs(spoken)})
    assert told == "The sweeps differ in no setting."


def test_what_one_file_varies_and_the_other_has_fixed_is_told_of_both(tmp_path: Path) -> None:
    seeds = of_file(tmp_path, "seeds", "settings: {steps: 5, hue: 0.5}\naxes: {seed: [0, 1]}\n")
    one = of_file(tmp_path, "one", "settings: {steps: 5, hue: 0.5, batch_size: 64}\n")
    assert named(seeds=seeds, one=one) == [
        "hue=0.5, seed=0, batch_size=128",
        "hue=0.5, seed=1, batch_size=128",
        "hue=0.5, batch_size=64, seed=0",
    ]
    told = difference({"seeds": configs(seeds), "one": configs(one)})
    assert told == (
        "The sweeps differ in batch_size (128 in seeds; 64 in one), seed (0, 1 in seeds; 0 in one)."
    )


def test_targets_are_compared_too(tmp_path: Path) -> None:
    hue = of_file(tmp_path, "hue", "settings: {steps: 5}\npoints: [{}, {hue: 0}, {hue: 0.5}]\n")
    any_hue = of_file(tmp_path, "any", "settings: {steps: 5}\npoints: [{}, {hue: any}]\n")
    assert difference({"hue": configs(hue), "any": configs(any_hue)}) == (
        "The sweeps differ in hue (0, 0.5 in hue; any in any)."
    )
    assert difference({"hue": configs(hue)}) == ""


def test_what_is_common_to_all_is_no_part_of_a_name(tmp_path: Path) -> None:
    text = "settings: {steps: 5, hue: 0.5}\npoints: [{seed: 3, beta1: 0}, {seed: 3, beta1: 0.5}]\n"
    trials = of_file(tmp_path, "one", text)
    assert named(one=trials) == ["hue=0.5, beta1=0", "hue=0.5, beta1=0.5"]
    assert named(one=trials[:1]) == ["hue=0.5, seed=3, beta1=0"], "there is nothing to compare with"


def test_a_setting_that_a_trial_does_not_look_at_is_no_difference(tmp_path: Path) -> None:
    text = "points: [{}, {hue: any}, {hue: 0.5}]\n"
    one = of_file(tmp_path, "one", "settings: {steps: 5}\n" + text)
    other = of_file(tmp_path, "other", "settings: {steps: 5, conditioning: film}\n" + text)
    names = named(one=one, other=other)
    assert [name for name in names if "conditioning" in name] == [
        "hue=any, conditioning=both",
        "hue=any, conditioning=film",
    ]
    assert names[0] == names[len(one)] == "baseline", "they have one key"


def test_names_that_are_nobodys_tell_what_differs(tmp_path: Path) -> None:
    made = [
        TrainConfig(steps=5, seed=seed, generator_lr=lr)
        for seed, lr in ((0, 0.1), (1, 0.1), (0, 0.2))
    ]
    assert shown_names(["x", "y", ""], made) == [
        "baseline, seed=0, generator_lr=0.1",
        "baseline, seed=1, generator_lr=0.1",
        "baseline, seed=0, generator_lr=0.2",
    ]


def test_digits_beyond_the_twelfth_tell_names_apart() -> None:
    made = [TrainConfig(steps=5, generator_lr=lr) for lr in (0.001, 0.0010000000000001)]
    assert shown_names(["x", "x"], made) == [
        "baseline, generator_lr=0.001",
        "baseline, generator_lr=0.0010000000000001",
    ]
    measured = [{"eval_targets": [{"hue": value}]} for value in (0.1, 0.2)]
    settings = {"steps": 5, "controls": {"hue": {"target": "any"}}}
    of_any = [TrainConfig.model_validate(settings | each) for each in measured]
    assert shown_names(["x", "x"], of_any) == [
        "hue=any, eval_targets=[{hue: 0.1}]",
        "hue=any, eval_targets=[{hue: 0.2}]",
    ]


def test_what_a_file_names_but_does_not_vary_is_told_of_all(tmp_path: Path) -> None:
    settings = "settings: {steps: 5, base_channels: 8}\n"
    before = of_file(tmp_path, "grid", settings + GRID)
    now = of_file(tmp_path, "grid", settings.replace("8", "12") + GRID.replace("0, 1", "0"))
    names = named(left=before, file=now)
    assert all("seed=" in name for name in names)
    assert len({*names}) == len(names)
