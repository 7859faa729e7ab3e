"""Session of Ray: a cluster that a launch joins, or its own."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError
from ray.job_config import JobConfig
from rich.console import Console

from gan.errors import UserError
from orchestrator.store.object_store import first_line


class _JobConfig(JobConfig):
    """Ray's, without the user's directory before all others on the workers' ``sys.path``."""

    def _runtime_env_has_working_dir(self) -> bool:
        return True  # then Ray does not add it


@contextmanager
def session(console: Console, *, joins: bool) -> Iterator[None]:
    """Join the cluster of RAY_ADDRESS or of ``ray start``, or start Ray on this machine."""
    console.print("Starting Ray and the workers takes half a minute or so ...")
    try:
        context = ray.init(
            None if joins else "local",
            job_config=_JobConfig(),
            logging_level=logging.CRITICAL,
            log_to_driver=False,
        )
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        if not joins:
            raise
        raise UserError(f"Ray: the cluster cannot be joined ({first_line(error)})") from None
    except Exception as error:  # Ray raises a plain Exception for this
        if "timed out during startup" not in str(error):
            raise
        raise UserError("Ray did not start in 30 s: this machine is busy; launch again") from None
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    # Ray would print the state of a dead node, in dozens of lines.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    try:
        if context.dashboard_url:
            console.print(f"Dashboard  http://{context.dashboard_url}")
        yield
    finally:
        ray.shutdown()
