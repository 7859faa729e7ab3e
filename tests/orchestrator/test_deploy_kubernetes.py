"""Files for KubeRay, as far as they can be checked without Kubernetes."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)

from orchestrator.cli import main as colorsweep
from tests.support.kubernetes_fields import mistakes

DEPLOY = Path(__file__).parents[2] / "orchestrator" / "deploy"
FIELDS = {
    "RayCluster": {
        *("suspend", "managedBy", "autoscalerOptions", "headServiceAnnotations"),
        *("enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec", "rayVersion"),
        *("workerGroupSpecs", "authOptions", "upgradeStrategy"),
    },
    "RayJob": {
        *("activeDeadlineSeconds", "backoffLimit", "rayClusterSpec", "submitterPodTemplate"),
        *("metadata", "clusterSelector", "submitterConfig", "managedBy", "deletionStrategy"),
        *("entrypoint", "runtimeEnvYAML", "jobId", "submissionMode", "entrypointResources"),
        *("entrypointNumCpus", "entrypointNumGpus", "ttlSecondsAfterFinished", "suspend"),
        "shutdownAfterJobFinishes",
    },
    "headGroupSpec": {
        *("template", "headService", "enableIngress", "rayStartParams", "serviceType"),
        *("resources", "labels"),
    },
    "workerGroupSpec": {
        *("suspend", "groupName", "replicas", "minReplicas", "maxReplicas", "idleTimeoutSeconds"),
        *("rayStartParams", "template", "scaleStrategy", "numOfHosts", "resources", "labels"),
    },
    "authOptions": {"mode", "secretName", "enableK8sTokenAuth"},
    "autoscalerOptions": {
        *("resources", "image", "imagePullPolicy", "securityContext", "idleTimeoutSeconds"),
        *("upscalingMode", "version", "env", "envFrom", "volumeMounts"),
    },
}
"""Of KubeRay 1.6, from its reference."""


@pytest.fixture
def cluster() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "kuberay.yaml").read_text())
    return found


@pytest.fixture
def job() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "kuberay-job.yaml").read_text())
    return found


def test_every_field_of_kuberays_is_known(cluster: dict[str, Any], job: dict[str, Any]) -> None:
    spec = cluster["spec"]
    assert spec.keys() <= FIELDS["RayCluster"]
    assert job["spec"].keys() <= FIELDS["RayJob"]
    for name in ("headGroupSpec", "authOptions", "autoscalerOptions"):
        assert spec[name].keys() <= FIELDS[name]
    for group in spec["workerGroupSpecs"]:
        assert group.keys() <= FIELDS["workerGroupSpec"]
    for each in (cluster, job):
        assert each["apiVersion"] == "ray.io/v1"
        assert mistakes(each["metadata"], "V1ObjectMeta") == []


def test_kubernetes_knows_every_field_of_the_pods(cluster: dict[str, Any]) -> None:
    spec = cluster["spec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        assert mistakes(group["template"], "V1PodTemplateSpec") == []


def test_a_wrong_field_of_a_pod_is_noticed(cluster: dict[str, Any]) -> None:
    template = cluster["spec"]["headGroupSpec"]["template"]
    template["spec"]["containers"][0]["envfrom"] = []
    template["spec"]["terminationGracePeriodSeconds"] = "45"
    assert mistakes(template, "V1PodTemplateSpec") == [
        ".spec.containers.0.envfrom: is unknown",
        ".spec.terminationGracePeriodSeconds: is no int",
    ]


def test_the_autoscaler_reads_what_is_meant(cluster: dict[str, Any]) -> None:
    cluster["metadata"]["namespace"] = "default"
    config = _derive_autoscaling_config_from_ray_cr(cluster)
    types = config["available_node_types"]
    assert types["headgroup"]["resources"]["CPU"] == 0, "the head trains nothing"
    worker = types["preemptible"]
    assert (worker["min_workers"], worker["max_workers"]) == (0, 4)
    assert {k: worker["resources"][k] for k in ("CPU", "GPU")} == {"CPU": 7, "GPU": 1}
    assert config["idle_timeout_minutes"] == 5
    assert cluster["spec"]["rayVersion"] == ray.__version__


def test_workers_are_on_preemptible_nodes_and_have_time_to_drain(cluster: dict[str, Any]) -> None:
    head = cluster["spec"]["headGroupSpec"]["template"]["spec"]
    (worker,) = (group["template"]["spec"] for group in cluster["spec"]["workerGroupSpecs"])
    ((key, value),) = worker["nodeSelector"].items()
    tolerated = {(t["key"], t.get("value")) for t in worker["tolerations"]}
    assert (key, value) in tolerated
    assert "nodeSelector" not in head
    assert worker["terminationGracePeriodSeconds"] > 30, "the longest drain of Ray"


def test_the_token_is_a_secret_of_the_users(cluster: dict[str, Any]) -> None:
    auth = cluster["spec"]["authOptions"]
    assert auth == {"mode": "token", "secretName": "colorsweep-token"}
    text = (DEPLOY / "README.md").read_text()
    assert f"kubectl create secret generic {auth['secretName']} --from-literal=auth_token=" in text


def test_the_job_launches_a_sweep_of_the_cluster(
    cluster: dict[str, Any], job: dict[str, Any]
) -> None:
    spec = job["spec"]
    assert spec["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}
    shell, program, command, file = shlex.split(spec["entrypoint"])
    assert (shell, program) == ("exec", "colorsweep")
    assert command in colorsweep.commands
    (head,) = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"]
    assert str(Path(file).parent) in {mount["mountPath"] for mount in head["volumeMounts"]}
    assert yaml.safe_load(spec["runtimeEnvYAML"])["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"] == "900"
