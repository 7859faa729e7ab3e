import math
from pathlib import Path
from typing import Any

import pytest

from gan.errors import UserError
from orchestrator.sweep.core_yaml import load
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand

# YAML 1.2.2, 10.3.2: the examples of the core schema, and what YAML 1.1 would make of others.
PLAIN = [
    *(("~", None), ("null", None), ("Null", None), ("NULL", None), ("", None)),
    *(("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False)),
    *(("0", 0), ("0o7", 7), ("0x3A", 58), ("-19", -19), ("+12", 12), ("0100", 100), ("08", 8)),
    *(("0.", 0.0), ("-0.0", -0.0), (".5", 0.5), ("+12e03", 12000.0), ("-2E+05", -200000.0)),
    *(("1e-3", 0.001), (".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf)),
    *((word, word) for word in ("yes", "no", "on", "off", "y", "N", "1:30", "1_000", "0b1")),
    *(("2024-01-01", "2024-01-01"), ("1e", "1e"), (".", "."), ("nil", "nil"), ("0o8", "0o8")),
]


@pytest.mark.parametrize(("text", "value"), PLAIN)
def test_plain_values_are_those_of_the_core_schema(text: str, value: Any) -> None:
    found = load(f"a: {text}").content["a"]
    assert found == value
    assert type(found) is type(value)
    assert load(f'a: "{text}"').content["a"] == text, "quoted, it is a text"


def test_not_a_number_and_merged_mappings() -> None:
    assert math.isnan(load("a: .nan").content["a"])
    assert load("a: &a {b: 1}\nc: {<<: *a, d: 2}").content["c"] == {"b": 1, "d": 2}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("settings: {steps: yes}", ("steps", "a number", "'yes'")),
        ("settings: {steps: true}", ("steps", "a number", "True")),
        ("settings: {epochs: on}", ("epochs", "a number", "'on'")),
        ("settings: {steps: 40, seed: true}", ("seed", "a number", "True")),
        ("settings: {steps: 1:30}", ("steps", "a number", "'1:30'")),
        ('settings: {steps: "40"}', ("steps", "a number", "'40'")),
        ("settings: {steps: 40.5}", ("steps", "40.5")),
        ("settings: {steps: 40, batch_norm: 1}", ("batch_norm", "true or false", "1")),
        ("settings: {steps: 40, batch_norm: no}", ("batch_norm", "true or false", "'no'")),
        ("settings: {steps: 40, distribution_scales: [true]}", ("distribution_scales", "a number")),
        ("settings: {steps: 40, dataset: true}", ("dataset", "must be a text, not True")),
        ("settings: {steps: 40, dataset_path: true}", ("dataset_path", "must be a text, not True")),
        ("settings: {steps: 40, eval_targets: true}", ("eval_targets", "[{saturation: 0.1}, {")),
        ("settings: {steps: 40, dataset: folder, dataset_path: 7}", ("dataset_path", "7")),
        ("settings: {steps: 40}\nresources: {cpus_per_trial: yes}", ("cpus_per_trial", "a number")),
        ("settings: {steps: 40}\npoints: [{saturation: true}]", ("saturation", "a number")),
        ("settings: {steps: 40}\npoints: [{saturation.weight: '9'}]", ("saturation", "weight")),
        (
            "settings: {steps: 40, dataset_path: !!binary cGljdHVyZXM=}",
            (":1: not valid YAML, column 37", "binary"),
        ),
        ("settings: " + "[" * 2000, (":1: not valid YAML, column 30", "nested more than 20 deep")),
    ],
)
def test_a_value_of_another_type_is_refused(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    file = write(tmp_path / "mine.yaml", text)
    with pytest.raises(UserError) as refused:
        expand(read_sweep(file))
    for word in (str(file), *words):
        assert word in str(refused.value)
    assert "\n" not in str(refused.value)


def test_whole_numbers_may_be_written_as_fractions_and_the_reverse(tmp_path: Path) -> None:
    text = "settings: {steps: 1e3, seed: 0100, l1_weight: 10, batch_size: 16.0}"
    (trial,) = expand(read_sweep(write(tmp_path / "mine.yaml", text)))
    config = trial.config
    assert (config.steps, config.seed, config.l1_weight, config.batch_size) == (1000, 100, 10, 16)


def test_a_key_that_a_merge_brings_may_be_overridden_wherever_it_is_merged(tmp_path: Path) -> None:
    text = """points: [&b {<<: &a {batch_size: 16, seed: 1}, batch_size: 32}]
settings: {<<: *b, steps: 5}
"""
    (trial,) = expand(read_sweep(write(tmp_path / "mine.yaml", text)))
    assert (trial.config.batch_size, trial.config.seed) == (32, 1)
