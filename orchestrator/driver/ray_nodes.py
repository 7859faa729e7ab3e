"""Nodes of the Ray cluster: what a trial takes of them, and what is installed there."""

from collections.abc import Callable

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.console import Console

from gan.errors import UserError
from orchestrator.driver.ray_cluster import Cluster
from orchestrator.sweep.sweep_spec import Resources
from orchestrator.worker.installed import installed

ANSWER_SECONDS = 60.0
"""Time for a node to start a worker and answer; one that does not is told by its trials."""


def share_of(wanted: Resources, cluster: Cluster | None, console: Console) -> dict[str, float]:
    """Return the CPUs and GPUs of a trial; by default a whole GPU if a node has one.

    Larger nodes may still join a cluster, but not a Ray of this launch's own.

    Raises:
        UserError: this machine lacks the resources of a single trial.
    """
    nodes = _resources_of_nodes()
    gpus = wanted.gpus_per_trial
    if gpus is None:
        gpus = 1.0 if any(node.get("GPU", 0) for node in nodes) else 0.0
        if cluster is not None and not gpus:
            line = "No node has a GPU now, and trials train on CPUs"
            more = "for GPUs that join later, set resources.gpus_per_trial"
            console.print(f"{line}; {more}", style="yellow", soft_wrap=True)
    for name, kind, share in (
        ("cpus_per_trial", "CPU", wanted.cpus_per_trial),
        ("gpus_per_trial", "GPU", gpus),
    ):
        largest = max(node.get(kind, 0) for node in nodes)
        if share > largest:
            lacks = f"resources.{name}: {share:g}, but the largest node has {largest:g}"
            if cluster is None:
                raise UserError(lacks)
            line = f"{lacks}; waiting for a larger one to join"
            console.print(line, style="yellow", soft_wrap=True)
    return {"cpu": float(wanted.cpus_per_trial), "gpu": gpus}


def room_for(share: dict[str, float]) -> int:
    """Count the trials that the cluster can train in parallel at the moment, at least 1."""
    room = 0
    for has in _resources_of_nodes():
        kinds = [(has.get("CPU", 0), share["cpu"])]
        if share["gpu"]:
            # A share below 1 cannot span two GPUs.
            kinds.append((has.get("GPU", 0) * max(1, 1 // share["gpu"]), max(1, share["gpu"])))
        room += int(min(there // wanted for there, wanted in kinds))
    return max(1, room)


def require_same_version() -> None:
    """Compare what is installed on the nodes that are there; trials compare it on later ones.

    Raises:
        UserError: a node has another colorsweep than this launch, or none.
    """
    expected = installed()
    known = ray.nodes()  # type: ignore[no-untyped-call]
    asked = {
        ray.remote(_version_reader())
        .options(
            num_cpus=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        )
        .remote(): node["NodeName"]
        for node in known
        if node["Alive"] and node["Resources"].get("CPU", 0)
    }
    if not asked:
        return
    answered, _ = ray.wait([*asked], num_returns=len(asked), timeout=ANSWER_SECONDS)
    for answer in answered:
        try:
            found = ray.get(answer)
        except RayError:  # the node is gone
            continue
        if found != expected:
            raise UserError(
                f"node {asked[answer]} has colorsweep {found}, this launch {expected}; install the "
                "same there, or stop Ray on it"
            )


def _version_reader() -> Callable[[], str]:
    """Return a function that Ray sends whole, as the node may lack the modules here."""

    def read() -> str:
        try:
            from orchestrator.worker.installed import installed
        except Exception as error:  # a module of that name may do anything
            return f"none that can be imported ({type(error).__name__}: {error})"
        return installed()

    return read


def _resources_of_nodes() -> list[dict[str, float]]:
    known = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in known if node["Alive"]]
