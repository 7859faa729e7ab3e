"""A real Prometheus that scrapes a Ray session on this machine."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.servers import free_port

PROMETHEUS = shutil.which("prometheus")
CONFIG = Path(__file__).parents[2] / "orchestrator" / "deploy" / "prometheus.yml"
"""As it ships, of the sessions below /tmp/ray."""


@dataclass(frozen=True)
class Series:
    labels: dict[str, str]
    value: float


class Prometheus:
    def __init__(self, directory: Path, ray: Path) -> None:
        """Start it with the configuration that ships, but for sessions below ``ray``.

        It looks every second, where the one that ships looks every 10.
        """
        assert PROMETHEUS is not None
        self._uri = f"http://127.0.0.1:{free_port()}"
        config, self._log = directory / "prometheus.yml", directory / "prometheus.log"
        shipped = CONFIG.read_text()
        assert "[/tmp/ray/" in shipped
        assert shipped.count(" 10s") == 2
        config.write_text(shipped.replace("/tmp/ray", str(ray)).replace(" 10s", " 1s"))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(PROMETHEUS, f"--config.file={config}"),
                    f"--storage.tsdb.path={directory / 'data'}",
                    f"--web.listen-address={self._uri.removeprefix('http://')}",
                ],
                stdout=log,
                stderr=log,
            )

    def query(self, expression: str) -> list[Series]:
        """Series of an instant query."""
        found = self._get("query", query=expression)["result"]
        return [Series(each["metric"], float(each["value"][1])) for each in found]

    def label_values(self, label: str, selector: str) -> list[str]:
        values = self._get(f"label/{label}/values", **{"match[]": selector})
        assert isinstance(values, list)
        return values

    def wait_for(self, expression: str, condition: Callable[[list[Series]], bool]) -> list[Series]:
        until = time.monotonic() + 120
        while not condition(found := self._when_it_answers(expression)):
            assert time.monotonic() < until, f"{expression}: {found}; {self._log.read_text()}"
            time.sleep(0.5)
        return found

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(60)

    def _when_it_answers(self, expression: str) -> list[Series]:
        try:
            return self.query(expression)
        except urllib.error.URLError:
            return []

    def _get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self._uri}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
