"""Grafana dashboard of a sweep, put among those that Ray provisions."""

import json
from contextlib import suppress
from pathlib import Path

DASHBOARD = Path(__file__).parents[1] / "deploy" / "grafana" / "colorsweep.json"
UID = "colorsweep"
"""Of the dashboard. Ray writes its dashboard of Ray Data under the uid that
``RAY_GRAFANA_DATA_DASHBOARD_UID`` names, and shows that uid in its Metrics page."""


def put_dashboard(session: Path) -> None:
    """Put the dashboard into the directory of a Ray session, if its head is on this machine.

    It takes the place of the file that has its uid, or stands beside Ray's.
    """
    directory = session / "metrics" / "grafana" / "dashboards"
    if not directory.is_dir():
        return
    # Of another user, say, or not as Ray 2.60 makes it: a launch does without.
    with suppress(OSError, ValueError, KeyError, TypeError):
        same = (f for f in directory.glob("*.json") if json.loads(f.read_bytes())["uid"] == UID)
        target = next(same, directory / DASHBOARD.name)
        # Grafana reads the directory every 10 seconds.
        written = target.with_suffix(".new")
        written.write_bytes(DASHBOARD.read_bytes())
        written.replace(target)
