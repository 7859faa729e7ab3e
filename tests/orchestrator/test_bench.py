import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from gan.benchmark import benchmark as measuring
from orchestrator.cli import main
from orchestrator.driver import sweep_bench

pytestmark = pytest.mark.usefixtures("quick_evaluations")

TINY = {"base_channels": 2, "batch_size": 8, "eval_images": 12, "log_every": 5}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two rounds of a moment each, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep_bench, "bench", partial(measuring.bench, rounds=2, seconds=0.05))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["bench", *arguments, "--device", "cpu"])


def write(npz: Path, **sections: Any) -> None:
    settings = {"dataset": "npz", "dataset_path": str(npz), **TINY, **sections.pop("settings")}
    Path("mine.yaml").write_text(yaml.safe_dump({"settings": settings, **sections}))


@pytest.mark.slow
def test_a_sweep_is_measured_once_for_each_kind_of_nets_and_estimated_trial_by_trial(
    small_npz: Path,
) -> None:
    write(
        small_npz,
        settings={"steps": 1000, "evaluate_every": 100},
        axes={"base_channels": [2, 3], "saturation": [0.25, 0.75]},
        points=[{}, {"epochs": 500, "seed": 1}],
    )
    result = call("mine.yaml", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert [measured["base_channels"] for measured in found["benches"]] == [2, 3]
    of = [set(measured["trials"]) for measured in found["benches"]]
    assert "baseline, base_channels=2" in of[0]
    assert "saturation=0.25, base_channels=3" in of[1]
    assert of[0] | of[1] == {trial["name"] for trial in found["trials"]}
    assert not of[0] & of[1]
    named = {trial["name"]: trial for trial in found["trials"]}
    assert named["baseline, base_channels=2"]["steps"] == 1000
    assert named["baseline, epochs=500, seed=1"]["steps"] == 500 * 64 / 8
    seconds = {name: trial["seconds"] for name, trial in named.items()}
    end = found["benches"][0]["target_ms"] / 1000
    steps = seconds["baseline, base_channels=2"] - end
    assert seconds["baseline, epochs=500, seed=1"] - end == pytest.approx(4 * steps)
    for measured, kind in zip(
        found["benches"], ("base_channels=2", "base_channels=3"), strict=True
    ):
        # An evaluation every hundred steps, and losses every fifty.
        at_least = measured["fast_ms"] + measured["evaluation_ms"] / 100 + measured["log_ms"] / 50
        took = seconds[f"saturation=0.25, {kind}"]
        assert at_least < took < 2 * at_least, "seconds of 1,000 steps: ms of one"
    assert found["seconds"] == pytest.approx(sum(seconds.values()))
    assert max(seconds.values()) <= found["seconds_at_once"] <= found["seconds"]


@pytest.mark.slow
def test_the_print_is_readable_at_80_columns(small_npz: Path) -> None:
    points = [{}, {"hue": 0.6}, {"base_channels": 3, "hue": 0.6}]
    write(small_npz, settings={"steps": 3600}, points=points)
    result = call("mine.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    printed = result.stdout.splitlines()
    assert max(map(len, printed)) <= 80
    assert printed[0] == "baseline and 2 more"
    assert printed[1].startswith("32 px, 2 base channels, batch 8, on CPU")
    (second,) = (n for n, line in enumerate(printed) if line.startswith("32 px, 3 base channels"))
    assert printed[second - 1] == "hue=0.6, base_channels=3"
    for word in ("images/s", "plain loop, float32", "ratio", "memory", "outside the networks"):
        assert word in result.stdout
    rows = [line.split() for line in printed if line.split()[-2:-1] == ["3600"]]
    assert [row[0] for row in rows] == ["baseline", "hue=0.6", "hue=0.6,"]
    assert "one after the other" in printed[-2]
    assert "at once" in printed[-1]


@pytest.mark.slow
def test_without_a_sweep_the_original_nets_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = measuring.original_nets()
    assert (seeds.image_size, seeds.base_channels, seeds.batch_size) == (32, 64, 128)
    assert list(seeds.controls) == ["saturation"]
    monkeypatch.setattr(sweep_bench, "original_nets", lambda: seeds.model_copy(update=TINY))
    figures = json.loads(call("--json").stdout)
    assert figures["batch_size"] == 8
    assert figures["ratio"] > 0


@pytest.mark.slow
def test_the_evaluation_at_the_end_counts_for_each_target(small_npz: Path) -> None:
    points = [{}, {"saturation": "any"}, {"saturation": 0.5}]
    write(small_npz, settings={"steps": 1000}, points=points)
    found = json.loads(call("mine.yaml", "--json").stdout)
    seconds = {trial["name"]: (trial["steps"], trial["seconds"]) for trial in found["trials"]}
    fixed, any_target = found["benches"]
    assert fixed["target_ms"] > 0
    # A trial that recolours its baseline takes its own evaluation alone.
    once = pytest.approx(fixed["target_ms"] / 1000)
    assert seconds["recoloured, saturation=0.5"] == (0, once)
    assert seconds["recoloured, saturation=any"] == (0, pytest.approx(9 * once.expected))
    assert seconds["saturation=any"][1] > 9 * any_target["target_ms"] / 1000


def test_a_bad_sweep_is_refused_in_one_line() -> None:
    result = call("nowhere")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert "no such sweep file" in line
