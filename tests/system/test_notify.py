"""A launch that is refused by the Ray that it starts notifies nobody."""

from pathlib import Path

import pytest

from tests.support.processes import SETTINGS, Program, on_small

pytestmark = pytest.mark.timeout(600)


def test_a_launch_that_is_refused_for_lack_of_gpus_tells_nobody(
    small_npz: Path, tmp_path: Path
) -> None:
    sweep, told = tmp_path / "story.yaml", tmp_path / "told"
    text = on_small(small_npz, f"{SETTINGS}  steps: 20\n")
    sweep.write_text(f"{text}resources: {{gpus_per_trial: 64}}\n")
    launch = Program("--runs", tmp_path / "runs", "launch", sweep, "--notify", f"touch {told}")
    done = launch.end()
    assert done.returncode == 2
    assert "resources.gpus_per_trial: 64, but the largest node has" in done.stderr
    assert not told.exists()
