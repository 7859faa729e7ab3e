"""A report that is written again while trials run."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.commands import report
from reports.phase import TrialPhase
from tests.support.cli_flags import call
from tests.support.saved_generators import steered, track


@pytest.mark.slow
def test_a_page_is_written_again_until_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    track(Path("runs"), "mine", "hue=0.6", steered(hue=0.6), TrialPhase.RUNNING)
    page = Path("runs/reports/mine/index.html")

    seen: list[str] = []

    def end(seconds: float) -> None:
        seen.append(page.read_text(encoding="utf-8"))
        track(Path("runs"), "mine", "hue=0.6", steered(hue=0.6), TrialPhase.FINISHED)

    monkeypatch.setattr(report, "time", SimpleNamespace(sleep=end))
    result = call("report", "mine", "--watch")
    assert (result.exit_code, result.stdout) == (0, "runs/reports/mine/index.html\n")
    refresh = '<meta http-equiv="refresh" content="30">'
    assert refresh in seen[0]
    assert refresh not in page.read_text(encoding="utf-8")
    assert "1 of 1 trials finished" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_where_nothing_runs_watching_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    track(Path("runs"), "mine", "hue=0.6", steered(hue=0.6))
    assert call("report", "mine", "--watch").exit_code == 0
    assert 'http-equiv="refresh' not in Path("runs/reports/mine/index.html").read_text()
