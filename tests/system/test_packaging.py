import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    built = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (file,) = out.iterdir()
    return zipfile.ZipFile(file)


def test_the_wheel_holds_the_four_folders_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    (metadata,) = (name for name in top if name.endswith(".dist-info"))
    assert top - {metadata} == {"gan", "orchestrator", "reports", "sweeps"}


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        ("gan/photos/train/*", 100),
        ("gan/photos/test/*", 30),
        ("gan/photos/ATTRIBUTION.csv", 1),
        ("gan/photos/LICENCES.txt", 1),
        ("sweeps/*.yaml", 4),
        ("reports/templates/*.*", 4),
        ("orchestrator/deploy/**/*.*", 3),
        ("gan/pretrained/*.*", 4),
        ("gan/**/*.py", 10),
        ("orchestrator/**/*.py", 5),
        ("orchestrator/deploy/*", 11),
        ("reports/**/*.py", 4),
    ],
)
def test_the_wheel_holds_every_file_that_is_needed(
    wheel: zipfile.ZipFile, pattern: str, least: int
) -> None:
    files = [p for p in REPOSITORY.glob(pattern) if p.is_file()]
    assert len(files) >= least
    for file in files:
        assert wheel.read(str(file.relative_to(REPOSITORY))) == file.read_bytes()


def test_the_wheel_holds_nothing_that_was_generated(wheel: zipfile.ZipFile) -> None:
    kept = {".md", ".py", ".yaml", ".j2", ".css", ".js", ".csv", ".jpg", ".txt", ".ini", ".sh"}
    kept |= {".json", ".yml", ".safetensors"}
    images = {"Dockerfile", "Dockerfile.dockerignore"}
    for name in wheel.namelist():
        path = Path(name)
        assert path.suffix in kept or path.name in images or ".dist-info/" in name


def test_the_wheel_installs_the_command_and_carries_the_licence(wheel: zipfile.ZipFile) -> None:
    files = {name.partition(".dist-info/")[2]: name for name in wheel.namelist()}
    assert (
        "colorsweep = orchestrator.__main__:main" in wheel.read(files["entry_points.txt"]).decode()
    )
    assert wheel.read(files["licenses/LICENSE"]) == (REPOSITORY / "LICENSE").read_bytes()


def test_no_file_of_the_repository_but_the_generator_is_larger_than_a_megabyte() -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True, text=True)
    files = [REPOSITORY / name for name in listed.stdout.split("\0") if name]
    sizes = {file.name: file.stat().st_size for file in files if file.is_file()}
    assert len(sizes) > 200
    large = {name for name, size in sizes.items() if size > 1_000_000}
    assert large <= {"generator.safetensors"}
    assert sizes["generator.safetensors"] <= 12_000_000


def test_what_only_reads_and_decides_imports_no_torch() -> None:
    # It takes seconds, and a command that has nothing to train needs none of it.
    modules = ["orchestrator.cli", "orchestrator.commands.status", "reports.page"]
    code = """if True:
        import importlib, sys
        for module in sys.argv[1:]:
            importlib.import_module(module)
            assert "torch" not in sys.modules, module
    """
    command = [sys.executable, "-c", code, *modules, "orchestrator.driver.launcher"]
    assert subprocess.run(command, cwd=REPOSITORY).returncode == 0


def test_help_and_completion_import_nothing_that_is_large() -> None:
    large = {"numpy", "PIL", "pyvips", "torch", "ray", "mlflow", "gradio", "pandas"}
    code = f"import sys, orchestrator.cli; print(*{large} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, check=True, text=True
    )
    assert done.stdout == "\n"


def test_ctrl_c_while_the_program_starts_is_one_line() -> None:
    code = """if True:
        import os, signal, sys
        class Interrupting:
            def find_spec(self, name, *_):
                if name == "orchestrator.commands.train":
                    os.kill(os.getpid(), signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.meta_path.insert(0, Interrupting())
        from orchestrator.__main__ import main
        main()
        """
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert (run.returncode, run.stdout, run.stderr) == (1, "", "\nAborted!\n")
