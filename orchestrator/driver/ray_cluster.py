"""Ray cluster of a launch: the running one that it joins, or its own on this machine.

Here nothing imports Ray, which reads its switches when it is imported.
"""

import os
import secrets
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gan.errors import UserError
from orchestrator.driver.grafana import UID

ANSWER_SECONDS = 6.0
"""Time for a cluster to answer; Ray itself waits for 40 seconds, again and again."""
FORWARDED = "MLFLOW_,AWS_,COLORSWEEP_"
"""Beginnings of the names of variables that workers get, unless COLORSWEEP_FORWARD has others."""
OF_THIS_MACHINE = ("AWS_PROFILE", "AWS_CA_BUNDLE", "COLORSWEEP_RUNS", "COLORSWEEP_SUBMITTED")
"""Names of variables that mean nothing elsewhere; nor do those that end in _FILE."""
_ASK = """
from ray._private.services import canonicalize_bootstrap_address
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError
address = canonicalize_bootstrap_address(None)
print(address, flush=True)
try:
    GcsClient(address=address)
    print("joined")
except AuthenticationError:
    print("refused")
"""
"""Program that prints the address that Ray would join, and whether the cluster there lets it in."""


@dataclass(frozen=True)
class Cluster:
    """Running Ray cluster."""

    address: str
    """Host and port of its GCS server."""
    found_by: str
    """Name of the variable, or path of the file, that names it."""

    def __str__(self) -> str:
        return f"{self.address} (of {self.found_by})"


def find_cluster() -> Cluster | None:
    """Return the running cluster that a launch joins; None for a Ray of its own.

    Sets Ray's switches for either: whether to show a token to the cluster; or that a Ray of its own
    listens on the loopback interface only, and wants a token of its clients.

    Raises:
        UserError: no cluster answers at the address, it refuses the token, or it is one of Ray
            Client.
    """
    address = os.environ.get("RAY_ADDRESS", "")
    # The file of `ray start`.
    temporary = os.environ.get("RAY_TMPDIR", os.environ.get("TMPDIR", "/tmp"))
    file = Path(temporary) / "ray" / "ray_current_cluster"
    if "://" in address:
        raise UserError(
            f"RAY_ADDRESS: {address} is an address of Ray Client, which cannot run a sweep;"
            " launch on a node of the cluster, with RAY_ADDRESS=HOST:6379, or use colorsweep submit"
        )
    if address == "local" or not (address or file.exists()):
        # Ray's switch for systems whose firewalls would ask: addresses of nodes are 127.0.0.1.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        # The dashboard's processes would import modules of this directory, which is the user's.
        os.environ.setdefault("PYTHONSAFEPATH", "1")
        os.environ.setdefault("RAY_GRAFANA_DATA_DASHBOARD_UID", UID)
        _keep_token_private()
        return None
    return _joined("RAY_ADDRESS" if address else str(file))


def show_token(address: str) -> None:
    """Have Ray show this user's token to a job server, if that asks for one.

    Others must not see it: it opens every Ray that this user starts.
    """
    import requests

    with suppress(requests.RequestException):  # that nothing answers is told later
        if requests.get(f"{address}/api/version", timeout=ANSWER_SECONDS).status_code == 401:
            os.environ.setdefault("RAY_AUTH_MODE", "token")


def forwarded_variables() -> dict[str, str]:
    """Return the variables of this process that workers on a cluster get, too."""
    beginnings = os.environ.get("COLORSWEEP_FORWARD", FORWARDED)
    wanted = tuple(part.strip() for part in beginnings.split(",") if part.strip())
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith((*wanted, "COLORSWEEP_FORWARD"))  # a job forwards again
        and not (name in OF_THIS_MACHINE or name.endswith("_FILE"))
    }


def _joined(found_by: str) -> Cluster:
    # A launch that shows a token expects one of the workers, too: both must agree.
    chosen = os.environ.get("RAY_AUTH_MODE")
    address, answer = _ask(chosen or "disabled")
    token = token_source()
    if chosen is None:
        os.environ["RAY_AUTH_MODE"] = "token" if answer == "refused" and token else "disabled"
        if os.environ["RAY_AUTH_MODE"] == "token":
            _, answer = _ask("token")
    if answer == "joined":
        return Cluster(address, found_by)
    if answer == "refused":
        how = "on its head, `ray get-auth-token` prints it; set RAY_AUTH_TOKEN to it here"
        if found_by != "RAY_ADDRESS":
            how += ", or RAY_ADDRESS=local to train on this machine alone"
        if not token or os.environ.get("RAY_AUTH_MODE") != "token":
            raise UserError(f"the Ray cluster at {address} wants its token; {how}")
        raise UserError(f"the Ray cluster at {address} refuses the token of {token}; {how}")
    if found_by == "RAY_ADDRESS":
        raise UserError(
            f"RAY_ADDRESS: no Ray cluster answers at {address};"
            " start Ray there, or unset RAY_ADDRESS to train on this machine alone"
        )
    raise UserError(
        f"no Ray cluster answers at {address}, which {found_by} names; start Ray there again,"
        " or remove the file to train on this machine alone"
    )


def token_source() -> str:
    """Return the variable or file that Ray would take its token from; empty if there is none."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return "RAY_AUTH_TOKEN"
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    try:
        file = Path(named) if named else Path.home() / ".ray" / "auth_token"
        return str(file) if file.is_file() else ""
    except (OSError, RuntimeError):
        return ""


def _keep_token_private() -> None:
    """Close the directory of Ray's token file, which Ray writes readable for all."""
    try:
        directory = Path.home() / ".ray"
        directory.mkdir(exist_ok=True)
        directory.chmod(0o700)
    except (OSError, RuntimeError):  # without a home that can be written to, a token of this launch
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _ask(mode: str) -> tuple[str, str]:
    """Ask the cluster that Ray would join; return its address and *joined*, *refused* or nothing.

    ``mode`` is *token* or *disabled*. Nothing is returned if it has not answered within
    ANSWER_SECONDS.
    """
    # In a process of its own, since Ray's waiting cannot be ended.
    command = [sys.executable, "-P", "-c", _ASK]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"RAY_AUTH_MODE": mode},
    ) as asking:
        assert asking.stdout is not None
        address = asking.stdout.readline().strip()
        try:
            asking.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            asking.kill()
        return address, asking.stdout.read().strip()
