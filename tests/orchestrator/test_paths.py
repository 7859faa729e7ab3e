import shlex
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.store.paths import Locations


@pytest.mark.parametrize(
    "locations",
    [
        Locations(Path("runs"), None),
        Locations(Path("my 'runs' $HOME"), None),
        Locations(Path("/data/runs"), "s3://bucket/a prefix?region=us-east-1&scheme=http"),
    ],
)
def test_a_hint_works_on_the_same_locations_wherever_it_is_pasted(locations: Locations) -> None:
    words = shlex.split(locations.command("report", "it's *"))
    assert words[0] == "colorsweep"
    assert words[-2:] == ["report", "it's *"]
    context = main.make_context("colorsweep", [*words[1:-2], "report"], resilient_parsing=True)
    assert context.params["runs"] == locations.runs
    assert context.params["storage"] == locations.storage


def test_a_hint_keeps_a_password_to_itself() -> None:
    assert "secret" not in Locations(Path("runs"), "s3://me:secret@bucket/x").command("status")
