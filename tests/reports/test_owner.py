"""Owners of the sweeps in a store of their own directory, and ids that were lost or damaged."""

from pathlib import Path

import pytest

from gan.errors import UserError
from reports.experiments import require_own
from reports.owner import known_owner, owner_in
from reports.tracking import SweepTracker
from tests.support.trackers import tracker_of


def launched(runs: Path, store: Path) -> SweepTracker:
    return tracker_of(f"sqlite:///{store}/mlflow.db", "hue", runs)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["here", "another machine"])
def test_a_directory_owns_its_own_store_without_its_id(tmp_path: Path, place: str) -> None:
    before = launched(tmp_path, tmp_path)
    if place != "here":
        tag = ("colorsweep.place", "another-machine:/home/somebody/runs")
        before.client.set_experiment_tag(before.experiment_id, *tag)
    (tmp_path / "owner").unlink()
    owner_in(tmp_path)
    lost = launched(tmp_path, tmp_path)
    assert lost.experiment_id == before.experiment_id
    own = require_own(lost.client, "hue")
    assert own.tags["colorsweep.owner"] == (tmp_path / "owner").read_text()


@pytest.mark.slow
def test_a_store_below_one_directory_that_another_uses_has_two_owners(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    launched(two, one)
    with pytest.raises(UserError, match=f"a sweep of this name, of .*:{two}, since 20"):
        launched(one, one)


@pytest.mark.parametrize(
    "content", [b"\xff" * 16, b"0123456789abcde'", b"0123", b"0123456789ABCDEF"]
)
def test_a_damaged_id_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "owner").write_bytes(content)
    for ask in (owner_in, known_owner):
        with pytest.raises(UserError, match=rf"{tmp_path}/owner: damaged: .*; restore it, or "):
            ask(tmp_path)
    assert (tmp_path / "owner").read_bytes() == content
