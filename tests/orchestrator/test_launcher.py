"""Launches with nothing to train."""

from pathlib import Path

import pytest

from gan import checkpoint
from tests.support.cli_flags import call
from tests.support.tiny_sweep import record, train

pytestmark = pytest.mark.usefixtures("quick_evaluations")


@pytest.mark.slow
def test_a_launch_verifies_each_finished_generator_once(
    small_npz: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = record(workplace, 3, small_npz)
    train(directory, 0)
    train(directory, 1)
    assert call("launch", "tiny.yaml").exit_code == 0  # the tracking store has them now
    read, verified = checkpoint.read, []

    def counted(path: Path, *names: str) -> checkpoint.Checkpoint | None:
        if not names or checkpoint.GENERATOR in names:
            verified.append(path.parents[1].name)
        return read(path, *names)

    monkeypatch.setattr(checkpoint, "read", counted)
    result = call("launch", "tiny.yaml")
    assert result.exit_code == 0, result.output
    assert len(verified) == len(set(verified)) == 2
