"""Ray's cluster launcher with ``orchestrator/deploy/aws.yaml``, on a test server of EC2."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config
from ray.autoscaler.tags import TAG_RAY_LAUNCH_CONFIG, TAG_RAY_NODE_KIND, TAG_RAY_USER_NODE_TYPE

from tests.support.s3 import Server

AWS = Path(__file__).parents[2] / "orchestrator" / "deploy" / "aws.yaml"


@pytest.fixture
def cluster(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """The file with an image filled in, on a server that has the roles."""
    # The launcher writes a key to ~/.ssh.
    for name, value in (server.environment() | {"HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    found: dict[str, Any] = yaml.safe_load(AWS.read_text())
    region = found["provider"]["region"]
    image = boto3.client("ec2", region).describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    profiles = boto3.client("iam", region)
    for node_type in found["available_node_types"].values():
        node_config = node_type["node_config"]
        assert node_config["ImageId"] == "IMAGE"
        node_config["ImageId"] = image
        name = node_config["IamInstanceProfile"]["Name"]
        profiles.create_instance_profile(InstanceProfileName=name)
    yield found
    for name in ("colorsweep-head", "colorsweep-worker"):
        profiles.delete_instance_profile(InstanceProfileName=name)


def test_the_launcher_makes_a_head_on_demand_and_spot_workers(cluster: dict[str, Any]) -> None:
    launcher: Any = AWSNodeProvider  # untyped
    config = launcher.bootstrap_config(prepare_config(cluster))
    provider = launcher(config["provider"], config["cluster_name"])
    for name, node_type in config["available_node_types"].items():
        tags = {TAG_RAY_USER_NODE_TYPE: name, TAG_RAY_LAUNCH_CONFIG: ""}
        tags[TAG_RAY_NODE_KIND] = "head" if name == config["head_node_type"] else "worker"
        provider.create_node(node_type["node_config"], tags, 1)
    found = boto3.client("ec2", config["provider"]["region"]).describe_instances()
    made = {
        instance["IamInstanceProfile"]["Arn"].rpartition("/")[2]: instance
        for reservation in found["Reservations"]
        for instance in reservation["Instances"]
    }
    head, worker = made["colorsweep-head"], made["colorsweep-worker"]
    assert "InstanceLifecycle" not in head
    assert worker["InstanceLifecycle"] == "spot"
    assert (head["InstanceType"], worker["InstanceType"]) == ("m7i.large", "g6.2xlarge")
    assert {i["MetadataOptions"]["HttpTokens"] for i in (head, worker)} == {"required"}
