"""The Grafana dashboard that ships, checked without Grafana: against its schema, and Ray's own."""

import json
import re
import warnings
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from ray.dashboard.modules.metrics.grafana_dashboard_factory import (
    generate_default_grafana_dashboard,
)

from orchestrator.driver.grafana import DASHBOARD, UID, put_dashboard
from orchestrator.worker.gauges import GAUGES
from tests.support.dashboard import CONTENT, named_in, panels, targets, variables

METRIC = re.compile(r"ray_\w+")


def without(content: Any, known: Any, at: str = "") -> list[str]:
    """Places of ``content`` that ``known`` lacks, or has otherwise."""
    if isinstance(content, dict) and isinstance(known, dict):
        return [p for key in content for p in without(content[key], known.get(key), f"{at}.{key}")]
    if isinstance(content, list) and isinstance(known, list) and len(content) == len(known):
        pairs = enumerate(zip(content, known, strict=True))
        return [place for i, pair in pairs for place in without(*pair, f"{at}[{i}]")]
    return [] if content == known else [at]


def as_grafana_reads(content: dict[str, Any]) -> Any:
    """A dashboard with the fields that the schema of Grafana knows, at their places."""
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(content)))


def of_ray_itself() -> str:
    """Ray's own dashboard of its nodes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Ray leaves a file open
        content: str = generate_default_grafana_dashboard()[0]
    return content


def test_every_field_is_one_that_grafana_knows() -> None:
    assert without(CONTENT, as_grafana_reads(CONTENT)) == []
    misspelt = json.loads(DASHBOARD.read_bytes())
    misspelt["panels"][0]["options"]["orientatoin"] = "horizontal"
    assert without(misspelt, as_grafana_reads(misspelt)) == [".panels[0].options.orientatoin"]


def test_ids_of_panels_and_of_their_queries_are_unique() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len({*ids}) == len(ids) > 10
    for panel in panels():
        queries = [target["refId"] for target in panel["targets"]]
        assert len({*queries}) == len(queries) > 0


def test_panels_fill_the_grid_without_overlapping() -> None:
    places = [panel["gridPos"] for panel in panels()]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (a, b)
    area = sum(place["w"] * place["h"] for place in places)
    assert area == 24 * max(place["y"] + place["h"] for place in places)


def test_every_panel_says_what_it_shows() -> None:
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
    for target in targets():
        assert target.expression
        assert target.legend


def test_the_variables_in_use_are_those_defined() -> None:
    asked = [(variable["query"], variable.get("datasource")) for variable in variables()]
    used = {*named_in(json.dumps([panels(), asked]))}
    assert used == {variable["name"] for variable in variables()}


def test_everything_asks_the_data_source_that_is_chosen() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    (source,) = (v for v in variables() if v["type"] == "datasource")
    assert (source["name"], source["query"]) == ("datasource", "prometheus")
    for panel in panels():
        assert [panel["datasource"], *(t["datasource"] for t in panel["targets"])] == [
            chosen,
            *[chosen] * len(panel["targets"]),
        ]
    assert [v["datasource"] for v in variables() if v["type"] == "query"] == [chosen, chosen]


def test_the_page_of_ray_sets_variables_that_exist() -> None:
    # Those of its link: var-SessionName and var-datasource.
    rays = json.loads(of_ray_itself())
    of_ray = {variable["name"] for variable in rays["templating"]["list"]}
    assert {"SessionName", "datasource"} <= of_ray & {v["name"] for v in variables()}


def test_metrics_are_ours_or_those_of_rays_own_dashboard() -> None:
    ours = {f"ray_colorsweep_{name}" for name in [*GAUGES, "restarts_total"]}
    rays = {*METRIC.findall(of_ray_itself())}
    used = {name for target in targets() for name in METRIC.findall(target.expression)}
    assert used <= ours | rays
    assert {"ray_node_gpus_utilization", "ray_node_cpu_utilization"} == used - ours
    assert ours - used == {"ray_colorsweep_checkpoint_seconds"}


class TestPuttingItIntoASession:
    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        directory = tmp_path / "metrics" / "grafana" / "dashboards"
        directory.mkdir(parents=True)
        (directory / "default.json").write_text('{"uid": "rayDefaultDashboard"}')
        return directory

    def test_it_stands_beside_rays(self, directory: Path, tmp_path: Path) -> None:
        put_dashboard(tmp_path)
        put_dashboard(tmp_path)
        assert {file.name for file in directory.iterdir()} == {"default.json", "colorsweep.json"}
        assert (directory / "colorsweep.json").read_bytes() == DASHBOARD.read_bytes()

    def test_it_replaces_the_one_of_its_uid(self, directory: Path, tmp_path: Path) -> None:
        (directory / "data.json").write_text(json.dumps({"uid": UID}))
        put_dashboard(tmp_path)
        assert {file.name for file in directory.iterdir()} == {"default.json", "data.json"}
        assert json.loads((directory / "data.json").read_bytes())["title"] == "colorsweep"

    def test_a_session_without_a_head_here_gets_none(self, tmp_path: Path) -> None:
        put_dashboard(tmp_path)
        assert [*tmp_path.iterdir()] == []

    def test_a_file_there_that_is_no_dashboard_does_no_harm(
        self, directory: Path, tmp_path: Path
    ) -> None:
        (directory / "default.json").write_text("{")
        put_dashboard(tmp_path)
        assert (directory / "default.json").read_text() == "{"


def test_its_uid_is_the_one_that_ray_shows() -> None:
    assert CONTENT["uid"] == UID
