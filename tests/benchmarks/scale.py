"""What grows with the number of trials and nodes: ``python -m tests.benchmarks.scale``.

Ray nodes of one CPU each on this machine, and sweeps of tiny trials that train two steps. The
driver's processor time and memory are those of the launch's process alone; Ray's GCS server runs on
the head. Prints lines of Markdown.
"""

import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import click
import psutil

from tests.support.processes import Launch
from tests.support.ray_cluster import ENVIRONMENT, Cluster

TINY = "base_channels: 4, batch_size: 8, eval_images: 12, log_every: 1000, evaluate_every: 1000"


@dataclass(frozen=True)
class Cost:
    """Cost of one launch."""

    seconds: float
    driver_cpu: float
    """Seconds."""
    driver_memory: float
    """GiB resident, at most."""
    gcs_cpu: float
    """Seconds of Ray's GCS server."""


@click.command()
@click.option("--nodes", default=8, show_default=True)
@click.option("--trials", multiple=True, type=int, default=(50, 200), show_default=True)
def main(nodes: int, trials: tuple[int, ...]) -> None:
    """Print lines of Markdown."""
    cluster = Cluster()
    try:
        cluster.add(nodes)
        with tempfile.TemporaryDirectory() as scratch:
            for count in (nodes, *trials):  # the first starts the workers, and is not printed
                cost = _launch(Path(scratch), cluster, count)
                if count != nodes:
                    print(
                        f"| {count} trials on {nodes} nodes | {cost.seconds:.0f} s | "
                        f"{cost.driver_cpu:.0f} s | {cost.driver_memory:.2f} GiB | "
                        f"{cost.gcs_cpu:.1f} s |",
                        flush=True,
                    )
    finally:
        cluster.kill()


def _launch(scratch: Path, cluster: Cluster, count: int) -> Cost:
    sweep = scratch / f"of_{count}.yaml"
    seeds = list(range(count))
    sweep.write_text(f"settings: {{steps: 2, {TINY}}}\naxes: {{seed: {seeds}}}\n")
    gcs = cluster.gcs()
    before, began = _cpu(gcs), time.monotonic()
    # Of their own, or what the last sweep has finished would be taken over.
    runs = scratch / f"runs_{count}"
    launch = Launch(runs, sweep, RAY_ADDRESS=cluster.address, **ENVIRONMENT)
    process = psutil.Process(launch.process.pid)
    assert launch.process.stdout is not None
    said: list[str] = []  # else its pipe would be full
    reader = threading.Thread(target=said.extend, args=(launch.process.stdout,))
    reader.start()
    driver = memory = 0.0
    while launch.process.poll() is None:
        try:
            driver, memory = _cpu(process), max(memory, process.memory_info().rss / 2**30)
        except psutil.Error:
            break
        time.sleep(0.2)
    reader.join()
    if launch.process.wait():
        sys.exit("".join(said))
    return Cost(time.monotonic() - began, driver, memory, _cpu(gcs) - before)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
