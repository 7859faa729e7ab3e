"""What a dry run says of the time of recoloured trials."""

import json
from pathlib import Path

import pytest

from orchestrator.store.attempts import attempts
from orchestrator.store.manifest import write_manifest
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.support.cli import TINY
from tests.support.cli_flags import call
from tests.support.tiny_sweep import train

pytestmark = pytest.mark.usefixtures("workplace")


def plan() -> tuple[dict[str, float | None], float, str]:
    """Times left of the trials and of all, and what is said of them."""
    found = json.loads(call("launch", "tiny.yaml", "--dry-run", "--json").stdout)
    seconds = {trial["name"]: trial["seconds"] for trial in found["trials"]}
    shown = call("launch", "tiny.yaml", "--dry-run").stdout
    (said,) = [line for line in shown.splitlines() if line.startswith("time left: ")]
    return seconds, found["seconds"], said


@pytest.mark.slow
def test_the_time_of_recoloured_trials_is_that_of_those_that_are_finished(
    workplace: Path, small_npz: Path
) -> None:
    Path("tiny.yaml").write_text(
        f"settings: {{steps: 6, {TINY}, dataset: npz, dataset_path: {small_npz}}}\n"
        "points: [{}, {saturation: 0.3}, {saturation: {target: any, min: 0.2, max: 0.6}}]\n"
    )
    directory = workplace / "runs" / "sweeps" / "tiny"
    directory.mkdir(parents=True)
    trials = expand(read_sweep(Path("tiny.yaml")))
    write_manifest(directory, trials)
    of_one, of_any = (t for t in trials if t.config.recolour)
    if of_one.config.any_controls:
        of_one, of_any = of_any, of_one
    train(directory, 0)
    train(directory, 1)
    train(directory, 2)
    seconds, whole, said = plan()
    assert seconds[of_one.name] is seconds[of_any.name] is None
    assert whole == 0
    assert said == "time left: 0:00 of trials, recolouring aside; " + said.partition("; ")[2]
    train(directory, trials.index(of_one))
    seconds, whole, said = plan()
    assert seconds[of_one.name] == 0
    (attempt,) = attempts(directory / of_one.key)
    assert whole == seconds[of_any.name]
    assert whole == pytest.approx(attempt.seconds * len(of_any.config.measured_targets()))
    assert "aside" not in said
