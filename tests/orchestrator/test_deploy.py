"""Files for clusters, as far as they can be checked on a machine without one."""

import configparser
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts import scripts as ray_program

from orchestrator.cli import main as colorsweep
from tests.support.team_server import COMPOSE, VARIABLE, service

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "orchestrator" / "deploy"
CLOUDS = [DEPLOY / "aws.yaml", DEPLOY / "gcp.yaml"]
SLURM = DEPLOY / "slurm.sh"
DOCKERFILE = DEPLOY / "Dockerfile"


def content(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def logical_lines(text: str) -> Iterator[str]:
    """Lines of a shell script or a Dockerfile, continued ones as one."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line


def options(line: str, words: str) -> set[str]:
    """Options in a shell line after the words of a command, up to the line's next command."""
    after = re.split(r"[;&|]|2>", line.partition(words)[2])[0]
    return {word.partition("=")[0] for word in shlex.split(after) if word.startswith("--")}


def known(command: click.Command) -> set[str]:
    return {o for p in command.params for o in (*p.opts, *p.secondary_opts)}


def ray_lines(file: Path) -> list[str]:
    """Lines that start Ray."""
    if file.suffix == ".sh":
        lines = list(logical_lines(file.read_text()))
    else:
        cluster = content(file)
        lines = [*cluster["head_start_ray_commands"], *cluster["worker_start_ray_commands"]]
    return [line.replace('"$(command -v ray)"', "ray") for line in lines if " start " in line]


def describe(file: Path) -> str:
    return file.name


@pytest.mark.parametrize(
    "file",
    [f for f in sorted(DEPLOY.iterdir()) if f.suffix in (".yaml", ".sh") or f == DOCKERFILE],
    ids=describe,
)
def test_the_first_lines_say_what_was_not_run(file: Path) -> None:
    comment = [line for line in file.read_text().splitlines()[:14] if line.startswith("#")]
    text = " ".join(line.lstrip("# ") for line in comment)
    assert "Checked" in text
    assert "Not run:" in text


@pytest.mark.parametrize("file", CLOUDS, ids=describe)
def test_the_cluster_launcher_accepts_the_file(file: Path) -> None:
    config = prepare_config(content(file))
    validate_config(config)
    types = config["available_node_types"]
    assert config["head_node_type"] == "head"
    assert types["head"]["resources"] == {"CPU": 0}, "the head trains nothing"
    assert types["worker"]["resources"]["GPU"] == 1
    assert (types["worker"]["min_workers"], types["worker"]["max_workers"]) == (0, 4)


def test_workers_can_be_preempted_and_the_head_cannot() -> None:
    aws, gcp = (content(file)["available_node_types"] for file in CLOUDS)
    assert aws["worker"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in aws["head"]["node_config"]
    assert gcp["worker"]["node_config"]["scheduling"]["provisioningModel"] == "SPOT"
    assert "scheduling" not in gcp["head"]["node_config"]


@pytest.mark.parametrize("file", CLOUDS, ids=describe)
def test_every_node_of_a_cloud_gets_the_token_and_asks_for_it(file: Path) -> None:
    cluster = content(file)
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("RAY_AUTH_MODE=token" in line for line in cluster["setup_commands"])
    (worker,) = (line for line in cluster["worker_start_ray_commands"] if "systemd-run" in line)
    assert "--setenv=RAY_AUTH_MODE=token" in worker


@pytest.mark.parametrize("file", CLOUDS, ids=describe)
def test_shell_commands_of_a_cloud_parse(file: Path) -> None:
    cluster = content(file)
    for name in ("setup", "head_start_ray", "worker_start_ray"):
        for line in cluster[f"{name}_commands"]:
            checked = subprocess.run(["bash", "-n"], input=line, text=True, capture_output=True)
            assert (checked.returncode, checked.stderr) == (0, ""), line


def test_the_roles_are_those_that_the_cluster_names() -> None:
    class Loader(yaml.SafeLoader):
        """Of CloudFormation, whose tags are references within it."""

    Loader.add_multi_constructor("!", lambda loader, tag, node: node.value)
    roles = yaml.load((DEPLOY / "aws-roles.yaml").read_text(), Loader)["Resources"]
    profiles = [r for r in roles.values() if r["Type"] == "AWS::IAM::InstanceProfile"]
    names = {profile["Properties"]["InstanceProfileName"] for profile in profiles}
    types = content(DEPLOY / "aws.yaml")["available_node_types"].values()
    assert {t["node_config"]["IamInstanceProfile"]["Name"] for t in types} == names
    for profile in profiles:
        (role,) = profile["Properties"]["Roles"]
        assert roles[role]["Type"] == "AWS::IAM::Role"


@pytest.mark.parametrize("file", [*CLOUDS, SLURM], ids=describe)
def test_options_of_ray_start_exist(file: Path) -> None:
    lines = ray_lines(file)
    assert len(lines) == 2
    for line in lines:
        used = options(line, "ray start")
        assert used
        assert used <= known(ray_program.start)


@pytest.mark.skipif(
    shutil.which("shellcheck") is None,
    reason="shellcheck is not installed (Debian: apt-get install shellcheck)",
)
def test_shellcheck_finds_nothing_in_the_slurm_script() -> None:
    checked = subprocess.run(["shellcheck", SLURM], capture_output=True, text=True)
    assert checked.stdout == ""
    assert checked.returncode == 0


def test_the_commands_of_the_slurm_script_exist() -> None:
    subprocess.run(["bash", "-n", SLURM], check=True)
    lines = list(logical_lines(SLURM.read_text()))
    (launch,) = (line for line in lines if line.startswith("colorsweep "))
    assert launch.split()[1] in colorsweep.commands


def test_the_tracking_servers_options_exist() -> None:
    command = service("mlflow")["command"]
    assert command[:2] == ["mlflow", "server"]
    shown = subprocess.run(
        [sys.executable, "-m", "mlflow", "server", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {word.partition("=")[0] for word in command[2:]} <= set(re.findall(r"--[\w-]+", shown))


def test_no_password_of_the_tracking_server_has_a_default() -> None:
    variables = dict(VARIABLE.findall(COMPOSE.read_text()))
    optional = {name for name, kind in variables.items() if kind == "-"}
    assert optional == {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "MLFLOW_SERVER_ALLOWED_HOSTS",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
    }
    assert {"POSTGRES_PASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD"} <= variables.keys() - optional
    users = configparser.ConfigParser()
    users.read(DEPLOY / "tracking-auth.ini")
    assert "admin_password" not in users["mlflow"]


def test_the_image_is_built_from_files_and_targets_that_exist() -> None:
    lines = list(logical_lines(DOCKERFILE.read_text()))
    copied = [shlex.split(line)[1:-1] for line in lines if line.startswith("COPY ")]
    assert copied
    for words in copied:
        if not words[0].startswith("--from="):
            assert all((REPOSITORY / word).exists() for word in words)
    targets = {line.split()[-1] for line in lines if line.startswith("FROM ") and " AS " in line}
    assert service("mlflow")["build"]["target"] in targets
    assert (COMPOSE.parent / service("mlflow")["build"]["context"] / "constraints.txt").exists()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 1000"] * 2, "both images, and by number: Kubernetes wants to see it"


def test_sigterm_reaches_what_a_pod_starts(tmp_path: Path) -> None:
    worker = content(DEPLOY / "kuberay.yaml")["spec"]["workerGroupSpecs"][0]
    (container,) = worker["template"]["spec"]["containers"]
    *_, shell, option = container["command"]
    script = tmp_path / "script"
    script.write_text("trap 'echo told; exit' TERM; echo $$; while :; do sleep 0.1; done")
    with subprocess.Popen(
        [shell, option, *container["args"]],
        # `ray start` itself drains when it is told: tests/system/test_disasters.py.
        env={"KUBERAY_GEN_RAY_START_CMD": f"bash {script}", "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    ) as pod:
        assert pod.stdout is not None
        started = int(pod.stdout.readline())
        os.kill(started, signal.SIGTERM)
        assert pod.stdout.read() == "told\n"
    assert started == pod.pid, "a shell between would keep the signal"
