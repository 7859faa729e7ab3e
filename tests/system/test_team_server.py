"""The tracking server of ``orchestrator/deploy``, asked by the names that it was given."""

from collections.abc import Iterator

import pytest
import requests

from tests.support.postgresql import PostgreSQL, programs
from tests.support.team_server import NAME, TeamServer

pytestmark = pytest.mark.skipif(
    programs() is None,
    reason="PostgreSQL is not installed (Debian: apt-get install postgresql)",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TeamServer]:
    place = tmp_path_factory.mktemp("tracking")
    database = PostgreSQL()
    try:
        tracking = TeamServer(database, str(place / "artifacts"), {}, place / "mlflow.log")
        try:
            tracking.wait()
            yield tracking
        finally:
            tracking.end()
    finally:
        database.end()


@pytest.fixture(scope="module")
def account(server: TeamServer) -> tuple[str, str]:
    user = server.new_user("anna")
    return user["MLFLOW_TRACKING_USERNAME"], user["MLFLOW_TRACKING_PASSWORD"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),
        ({"Host": NAME}, 200),
        ({"Host": "other.example.org"}, 403),
        ({"Host": NAME, "Origin": f"https://{NAME}"}, 200),
        ({"Host": NAME, "Origin": "https://other.example.org"}, 403),
    ],
    ids=["address", "name", "other name", "page of the name", "page of another name"],
)
def test_it_answers_to_its_names_alone(
    server: TeamServer, account: tuple[str, str], headers: dict[str, str], code: int
) -> None:
    answer = requests.post(
        f"{server.uri}/api/2.0/mlflow/experiments/search",
        json={"max_results": 1},
        headers=headers,
        auth=account,
        timeout=60,
    )
    assert answer.status_code == code, answer.text
