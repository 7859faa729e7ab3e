"""Where the artifacts of a sweep are looked for."""

from pathlib import Path

import pytest

from reports.experiments import located


@pytest.mark.parametrize("end", ["", "/0123/artifacts"], ids=["experiment", "run"])
@pytest.mark.parametrize("sweep", ["hue", "mlartifacts", "a%20b"])
def test_artifacts_beside_a_sqlite_store_are_found_there(
    tmp_path: Path, sweep: str, end: str
) -> None:
    store = tmp_path / "mlartifacts" / "x" / "artifacts"
    (store / "mlartifacts" / sweep.replace("%20", " ")).mkdir(parents=True)
    recorded = f"file:///was/mlartifacts/there/mlartifacts/{sweep}{end}"
    found = f"{(store / 'mlartifacts').as_uri()}/{sweep}{end}"
    assert located(f"sqlite:///{store}/mlflow.db", recorded) == found


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("sqlite:///{}/mlflow.db", "file:///other/mlartifacts/elsewhere/0123/artifacts"),
        ("sqlite:///{}/mlflow.db", "file:///other/artifacts/hue/0123/artifacts"),
        ("sqlite:///{}/mlflow.db", "mlflow-artifacts:/mlartifacts/hue/0123/artifacts"),
        ("sqlite:///{}/mlflow.db", "s3://bucket/mlartifacts/hue/0123/artifacts"),
        ("http://127.0.0.1:5000", "file:///other/mlartifacts/hue/0123/artifacts"),
        ("postgresql://host/{}", "file:///other/mlartifacts/hue"),
    ],
)
def test_all_others_are_left_where_they_are(tmp_path: Path, uri: str, location: str) -> None:
    (tmp_path / "mlartifacts" / "hue").mkdir(parents=True)
    assert located(uri.format(tmp_path), location) == location
