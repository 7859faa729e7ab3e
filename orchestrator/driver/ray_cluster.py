"""Ray cluster of a launch: the running one that it joins, or its own on this machine.

Here nothing imports Ray, which reads its switches when it is imported.
"""

import os
import secrets
import subprocess
import sys
from pathlib import Path

from gan.errors import UserError

ANSWER_SECONDS = 6.0
"""Time for a cluster to answer; Ray itself waits for 40 seconds, again and again."""
_ASK = """
from ray._private.services import canonicalize_bootstrap_address
from ray._raylet import GcsClient
address = canonicalize_bootstrap_address(None)
print(address, flush=True)
GcsClient(address=address)
"""
"""Program that prints the address that Ray would join, and ends when something answers there."""


def joins_cluster() -> bool:
    """Whether a launch joins a running cluster; if not, set the switches for a Ray of its own.

    Ray of its own listens on the loopback interface only and wants a token of its clients.

    Raises:
        UserError: no cluster answers at the address, or it is one of Ray Client.
    """
    address = os.environ.get("RAY_ADDRESS", "")
    # The file of `ray start`.
    temporary = os.environ.get("RAY_TMPDIR", os.environ.get("TMPDIR", "/tmp"))
    file = Path(temporary) / "ray" / "ray_current_cluster"
    if "://" in address:
        raise UserError(
            f"RAY_ADDRESS: {address} is an address of Ray Client, which cannot run a sweep;"
            " launch on a node of the cluster, with RAY_ADDRESS=HOST:6379"
        )
    if address == "local" or not (address or file.exists()):
        # Ray's switch for systems whose firewalls would ask: addresses of nodes are 127.0.0.1.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        # The dashboard's processes would import modules of this directory, which is the user's.
        os.environ.setdefault("PYTHONSAFEPATH", "1")
        _keep_token_private()
        return False
    if (silent := _silent_address()) is not None:
        if address:
            raise UserError(
                f"RAY_ADDRESS: no Ray cluster answers at {silent};"
                " start Ray there, or unset RAY_ADDRESS to train on this machine alone"
            )
        raise UserError(
            f"no Ray cluster answers at {silent}, which {file} names; start Ray there again,"
            " or remove the file to train on this machine alone"
        )
    return True


def _keep_token_private() -> None:
    """Close the directory of Ray's token file, which Ray writes readable for all."""
    try:
        directory = Path.home() / ".ray"
        directory.mkdir(exist_ok=True)
        directory.chmod(0o700)
    except (OSError, RuntimeError):  # without a home that can be written to, a token of this launch
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _silent_address() -> str | None:
    """Return the address that Ray would join if nothing answers there within ANSWER_SECONDS."""
    # In a process of its own, since Ray's waiting cannot be ended.
    command = [sys.executable, "-P", "-c", _ASK]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as asking:
        assert asking.stdout is not None
        address = asking.stdout.readline().strip()
        try:
            asking.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            asking.kill()
            return address
    return None
