"""Search for a running Ray cluster: real addresses, of which none is Ray's."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from orchestrator.driver import launcher
from orchestrator.driver.ray_cluster import find_cluster
from tests.support.cli import tiny
from tests.support.cli_flags import call
from tests.support.servers import free_port


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Port of a server that accepts connections and never answers."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def launched(workplace: Path, small_npz: Path) -> None:
    Path("tiny.yaml").write_text(tiny(small_npz, 6))


def assert_ends_in_one_line(result: Result, *words: str) -> None:
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 2
    assert line.startswith("Error: ")
    for word in words:
        assert word in line


@pytest.mark.timeout(100)
@pytest.mark.usefixtures("launched")
class TestLaunch:
    def test_an_address_of_ray_client_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
        assert_ends_in_one_line(call("launch", "tiny.yaml"), "RAY_ADDRESS: ray://127.0.0.1:10001")

    def test_an_address_of_nobody_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, deaf_port: int
    ) -> None:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{deaf_port}")
        result = call("launch", "tiny.yaml")
        assert_ends_in_one_line(result, "RAY_ADDRESS: no Ray cluster answers", f":{deaf_port};")

    def test_a_stale_file_of_ray_start_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
        file = tmp_path / "ray" / "ray_current_cluster"
        file.parent.mkdir()
        port = free_port()
        file.write_text(f"127.0.0.1:{port}")
        result = call("launch", "tiny.yaml")
        assert_ends_in_one_line(result, f":{port}, which {file} names", "remove the file")

    def test_ctrl_c_before_ray_has_started_says_how_to_go_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt() -> None:  # the signal itself may be ignored, as in a shell's background
            raise KeyboardInterrupt

        monkeypatch.setattr(launcher, "find_cluster", interrupt)
        result = call("launch", "tiny.yaml")
        assert result.exit_code == 1
        assert result.stdout.splitlines()[-1] == "To go on: colorsweep launch tiny.yaml"
        assert result.stderr.strip() == "Aborted!"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster, and no switch of Ray's set; what is set now is put back."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("own")
def test_a_ray_of_ones_own_wants_a_token_that_others_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ray").mkdir(mode=0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_cluster() is None
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert (tmp_path / ".ray").stat().st_mode & 0o777 == 0o700
    assert "RAY_AUTH_TOKEN" not in os.environ


@pytest.mark.usefixtures("own")
def test_without_a_home_the_token_is_of_this_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert find_cluster() is None
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64


@pytest.mark.usefixtures("own")
def test_what_the_user_has_set_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert find_cluster() is None
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
