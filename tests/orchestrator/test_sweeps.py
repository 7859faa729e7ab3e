from pathlib import Path

import pytest
import yaml

from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import Trial, expand

REPOSITORY = Path(__file__).parents[2]
SWEEPS = sorted((REPOSITORY / "sweeps").glob("*.yaml"))


def trials(file: Path, text: str) -> list[Trial]:
    """The trials that a sweep file writes; not those that are added to compare them with."""
    file.write_text(text)
    return [t for t in expand(read_sweep(file)) if not t.config.recolour]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_shipped_sweep_expands_to_the_trials_it_writes(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    count = len(content["points"])
    product = 1
    for values in content.get("axes", {}).values():
        product *= len(values)
    count += product if "axes" in content else 0
    found = [trial for trial in expand(read_sweep(path)) if not trial.config.recolour]
    assert len(found) == count
    assert len({trial.key for trial in found}) == len({trial.name for trial in found}) == count
    assert any(not trial.config.controls for trial in found), "a baseline to compare with"


def test_the_results_sweep_has_every_target_of_the_original_and_any() -> None:
    wanted: list[dict[str, float | str]] = [
        {"saturation": 1},
        {"saturation": 0.75},
        {"saturation": 0.5},
        {"saturation": 0.25},
        {"saturation": 0},
        {"hue": 0},
        {"hue": 0.25},
        {"hue": 0.6},
        {"hue": 0.85},
        {"saturation": 0.75, "hue": 0.6},
        {"saturation": "any"},
        {"hue": "any"},
        {},
    ]
    everything = expand(read_sweep(REPOSITORY / "sweeps" / "results.yaml"))
    found = [trial for trial in everything if not trial.config.recolour]
    targets = [{name: c.target for name, c in t.config.controls.items()} for t in found]
    assert sorted(map(str, targets)) == sorted(
        str({name: t if t == "any" else float(t) for name, t in sorted(point.items())})
        for point in wanted
    )
    for trial in found:
        config = trial.config
        assert (config.dataset, config.epochs, config.batch_size) == ("cifar10", 200, 128)


def test_the_sweep_in_the_readme_expands(file: Path) -> None:
    files = (REPOSITORY / "README.md", REPOSITORY / "sweeps" / "README.md")
    short, example = (f.read_text().split("```yaml\n")[1].split("```")[0] for f in files)
    assert [trial.name for trial in trials(file, short)][:3] == [
        *("baseline", "saturation=any", "saturation=0.4, hue=0.6")
    ]
    names = [trial.name for trial in trials(file, example)]
    assert names[0] == "saturation=0.25, saturation.weight=50"
    assert len(names) == 3 * 2 + 5
