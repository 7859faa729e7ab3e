"""A node that joins the cluster without the launch's ``runs/``."""

from pathlib import Path

import pytest

from gan import checkpoint
from orchestrator.sweep.spec import read_sweep
from orchestrator.sweep.trials import expand
from tests.support.processes import SETTINGS, Launch, on_small
from tests.support.ray_cluster import ENVIRONMENT, Cluster, can_unshare
from tests.support.tracked_trials import only_run, store_of

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(not can_unshare(), reason="needs mounts of its own (Linux, root)"),
]


def test_its_trials_fail_in_one_line_that_names_directory_node_and_remedies(
    small_npz: Path, tmp_path: Path
) -> None:
    sweep, runs = tmp_path / "apart.yaml", tmp_path / "runs"
    sweep.write_text(on_small(small_npz, f"{SETTINGS}  steps: 20\n"))
    (trial,) = expand(read_sweep(sweep))
    runs.mkdir()
    cluster = Cluster()
    try:
        cluster.add(1, hidden=runs)
        done = Launch(runs, sweep, RAY_ADDRESS=cluster.address, **ENVIRONMENT).end()
    finally:
        cluster.kill()
    assert done.returncode == 1
    directory = runs / "sweeps" / "apart"
    assert "0 of 1 trials finished, 1 failed" in done.stdout
    line = next(line for line in done.stdout.splitlines() if "does not share" in line)
    for words in (str(directory), "node ", "all nodes", "--storage s3://"):
        assert words in line
    assert checkpoint.newest(directory / trial.key) is None
    run = only_run(store_of(runs), "apart")
    assert run.info.status == "FAILED"
    assert str(directory) in run.data.tags["colorsweep.reason"]
