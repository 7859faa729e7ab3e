"""Session of Ray: a cluster that a launch joins, or its own."""

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray.exceptions import RayError
from ray.job_config import JobConfig
from rich.console import Console

from gan.errors import UserError
from gan.plain_text import first_line
from orchestrator.driver.grafana import put_dashboard
from orchestrator.driver.ray_cluster import Cluster, forwarded_variables


class _JobConfig(JobConfig):
    """Ray's, without the user's directory before all others on the workers' ``sys.path``."""

    def _runtime_env_has_working_dir(self) -> bool:
        return True  # then Ray does not add it


@contextmanager
def session(console: Console, cluster: Cluster | None) -> Iterator[None]:
    """Join a running cluster, or start Ray on this machine."""
    if cluster is None:
        console.print("Starting Ray and the workers takes half a minute or so ...")
    else:
        console.print(f"Cluster    {cluster}", soft_wrap=True)
    # Within a Ray job, whose variables these are already.
    os.environ.setdefault("RAY_OVERRIDE_JOB_RUNTIME_ENV", "1")
    variables = {} if cluster is None else forwarded_variables()
    try:
        context = ray.init(
            "local" if cluster is None else cluster.address,
            job_config=_JobConfig(),
            runtime_env={"env_vars": variables} if variables else None,
            logging_level=logging.CRITICAL,
            log_to_driver=False,
        )
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        if cluster is None:
            raise
        raise UserError(
            f"Ray: the cluster at {cluster.address} cannot be joined ({first_line(error)})"
        ) from None
    except Exception as error:  # Ray raises a plain Exception for this
        if "timed out during startup" not in str(error):
            raise
        raise UserError("Ray did not start in 30 s: this machine is busy; launch again") from None
    put_dashboard(Path(context.address_info["session_dir"]))  # type: ignore[attr-defined]
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    # Ray would print the state of a dead node, in dozens of lines.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    try:
        running = ray.get_runtime_context()
        put_dashboard(Path(running.get_temp_dir()) / running.get_session_name())
        if context.dashboard_url:
            console.print(f"Dashboard  http://{context.dashboard_url}{_way_in()}", soft_wrap=True)
        yield
    finally:
        # Tune leaves cycles with references to actors. If these go after Ray, in a collection that
        # any thread can start, Ray ends this process.
        gc.collect()
        ray.shutdown()


def _way_in() -> str:
    # A token in the environment may be of this launch alone.
    if os.environ.get("RAY_AUTH_MODE") != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return ""
    return "  (token: ray get-auth-token, on the head)"
