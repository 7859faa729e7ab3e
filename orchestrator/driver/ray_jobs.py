"""Launches as jobs of a Ray cluster, through the job server of its dashboard."""

import asyncio
import base64
import json
import logging
import os
import re
import secrets
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

import aiohttp
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from gan.errors import UserError
from gan.plain_text import cut, first_line, masked, plain
from orchestrator.driver.ray_cluster import forwarded_variables, token_source
from orchestrator.store.paths import Locations

SUBMITTED = "COLORSWEEP_SUBMITTED"
"""Variable of a job with the sweep file that travels in it."""
LONGEST = 100_000
"""Bytes of that variable; Linux allows 131,072 in all."""
STOP_SECONDS = 900
"""Time for checkpoints after a stop request; Ray's default kills a job after 3 seconds."""
AGENT_SECONDS = 60.0
"""Time for the agent of a head that was just started to be ready for jobs."""
POLL_SECONDS = 0.5
ENDED = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.STOPPED)
LOST_SECONDS = 60.0
"""Time without an answer after which a job is not followed any more."""
BROKEN_OFF = (
    aiohttp.ClientError,
    requests.RequestException,
    ConnectionError,
    RuntimeError,
    ValueError,
)
"""Errors of a client whose server does not answer."""
NOT_FOUND = 127
"""Exit code of a shell for a command that is not there."""

# It tells of every closed connection, and its errors are raised, too.
logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Submitted:
    """Sweep file in a job."""

    name: str
    """Name of the file, which names the sweep."""
    text: str
    again: str
    """Command line that submits it again."""
    notify: str | None = None
    """Webhook or command of --notify."""
    fresh: bool = False
    """Whether nothing is taken over from other sweeps."""

    def packed(self) -> str:
        """Return the value of the variable ``SUBMITTED``.

        Raises:
            UserError: the file is too large for it.
        """
        value = base64.b64encode(zlib.compress(json.dumps(asdict(self)).encode())).decode()
        if len(value) > LONGEST:
            raise UserError(f"{self.name}: is too large to travel in a job; launch it on the head")
        return value

    @classmethod
    def of_this_job(cls) -> "Submitted | None":
        """Return the sweep file of the job that this process belongs to, if any."""
        if not (value := os.environ.get(SUBMITTED)):
            return None
        return cls(**json.loads(zlib.decompress(base64.b64decode(value))))


class Lost(Exception):
    """End of following a job that may go on; the message is the reason in one line."""


@dataclass(frozen=True)
class Outcome:
    """End of a job."""

    exit_code: int
    message: str
    """Reason in one line, where the job's log does not have it; else empty."""


class JobServer:
    """Job server of a cluster."""

    def __init__(self, address: str) -> None:
        """Connect to the dashboard at ``address``, http://HOST:PORT.

        Raises:
            UserError: nothing answers there, or it wants another token.
        """
        self.address = address
        with self._errors():
            self._client = JobSubmissionClient(address)

    def running(self, sweep: str, locations: Locations) -> str | None:
        """Return the id of the job that runs a sweep of these locations, if any.

        Raises:
            UserError: the server does not answer.
        """
        with self._errors():
            jobs: list[JobDetails] = self._client.list_jobs()
        wanted = _metadata(sweep, locations)
        for job in jobs:
            if job.status not in ENDED and wanted.items() <= (job.metadata or {}).items():
                return str(job.submission_id)
        return None

    def submit(self, sweep: str, file: Submitted, locations: Locations) -> str:
        """Submit the launch of a sweep, and return the job's id.

        Raises:
            UserError: the server does not answer, or the file is too large.
        """
        variables = forwarded_variables() | {
            SUBMITTED: file.packed(),
            "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
            # Empty: else the head's own would count.
            "COLORSWEEP_STORAGE": locations.storage or "",
        }
        if locations.storage is None:
            variables["COLORSWEEP_RUNS"] = str(locations.runs)
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", sweep)
        until = time.monotonic() + AGENT_SECONDS
        with self._errors():
            while True:
                try:
                    job: str = self._client.submit_job(
                        # exec: else a stop request would end the shell before the launch.
                        entrypoint="exec colorsweep submitted",
                        submission_id=f"colorsweep-{name}-{secrets.token_hex(3)}",
                        metadata=_metadata(sweep, locations) | {"job_name": f"colorsweep {sweep}"},
                        runtime_env={"env_vars": variables},
                    )
                    return job
                except RuntimeError as error:
                    if "No available agent" not in str(error) or time.monotonic() > until:
                        raise
                time.sleep(POLL_SECONDS)

    def follow(self, job: str, write: Callable[[str], None]) -> Outcome:
        """Pass on a job's log until it has ended; a connection that is lost is made again.

        Raises:
            Lost: the server has not answered for ``LOST_SECONDS``; the job may go on.
        """
        passed = 0  # characters

        async def tail() -> None:
            nonlocal passed
            read = 0
            async for chunk in self._client.tail_job_logs(job):
                read += len(chunk)
                if read > passed:
                    write(chunk[passed - read :])
                    passed = read

        answered = time.monotonic()
        while True:
            try:
                with suppress(*BROKEN_OFF):
                    asyncio.run(tail())
                if (info := self._client.get_job_info(job)).status in ENDED:
                    return _outcome(info)
                answered = time.monotonic()
            except (AuthenticationError, *BROKEN_OFF) as error:
                if time.monotonic() > answered + LOST_SECONDS:
                    raise Lost(first_line(error)) from None
            time.sleep(POLL_SECONDS)

    def stop(self, job: str) -> None:
        """Ask a job to take checkpoints and stop.

        Raises:
            UserError: the server does not answer.
        """
        with self._errors():
            self._client.stop_job(job)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except AuthenticationError:
            shown = token_source() if os.environ.get("RAY_AUTH_MODE") == "token" else ""
            wants = f"refuses the token of {shown}" if shown else "wants the cluster's token"
            raise UserError(
                f"{self.address}: {wants}; on its head, `ray get-auth-token` "
                "prints it; set RAY_AUTH_TOKEN to it here"
            ) from None
        except BROKEN_OFF as error:
            raise UserError(
                f"{self.address}: no job server answers ({first_line(error)}); from another "
                "machine a tunnel has to be open: `ssh -N -L 8265:127.0.0.1:8265 HEAD`"
            ) from None


def _outcome(info: JobDetails) -> Outcome:
    code = info.driver_exit_code
    if code == NOT_FOUND:
        reason = "the head's Ray does not find colorsweep: start it in the environment with it"
        return Outcome(1, reason)
    if info.status is JobStatus.STOPPED:
        return Outcome(1, "the job was stopped")
    if code is None:
        reason = cut(plain(info.message or "no reason is known"), 200)
        return Outcome(1, f"the job has died ({reason})")
    if code < 0:
        return Outcome(1, f"the launch was killed on the head by signal {-code}")
    return Outcome(code, "")


def _metadata(sweep: str, locations: Locations) -> dict[str, str]:
    """Return what names a sweep's jobs, here and on the dashboard."""
    where = str(locations.runs)
    if locations.storage is not None:
        where = masked(locations.storage).rstrip("/")
    return {"colorsweep.sweep": sweep, "colorsweep.store": where}
