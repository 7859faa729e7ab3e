import math
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gan.config import TrainConfig
from gan.data.batches import fixed_crops, held_out, training_batch
from gan.data.datasets import Dataset, load
from gan.data.identity import PHOTOS
from gan.evaluation import reference
from gan.evaluation.features import features
from gan.evaluation.held_out import HeldOut
from gan.evaluation.reference import Natural
from gan.training import session
from gan.training.trainer import Trainer
from tests.support.ray_token import TOKEN
from tests.support.streamed_images import noise
from tests.support.trainings import Start, small

pytest_plugins = ["tests.support.stores"]

# Launches within pytest would set it too late: other tests have imported Ray, which reads it then.
os.environ |= TOKEN

# One: on two busy cores, two threads that wait for each other took up to 20 times as long.
torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of ``tests/system``, and put their files evenly among the others.

    They mostly wait, and the others compute. Those that may take longest come first: at the end one
    would be waited for alone.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
        if item.path.parent.name == "system":
            item.add_marker("system")
    waiting = sorted(
        (f for f in files if f.parent.name == "system"), key=lambda f: -_most(files[f])
    )
    computing = [file for file in files if file.parent.name != "system"]
    order = {file: i / max(1, len(waiting)) for i, file in enumerate(waiting)}
    order |= {file: (i + 0.5) / len(computing) for i, file in enumerate(computing)}
    items.sort(key=lambda item: order[item.path])


def _most(items: list[pytest.Item]) -> float:
    """Return the longest time that one of the tests may take, in seconds."""
    markers = (item.get_closest_marker("timeout") for item in items)
    return max((marker.args[0] for marker in markers if marker), default=0.0)


@pytest.fixture(autouse=True)
def switches() -> Iterator[None]:
    """Take back the switches that a launch within pytest sets for a Ray of its own."""
    before = {*os.environ}
    yield
    for name in {*os.environ} - before:
        if name.startswith("RAY_") or name == "PYTHONSAFEPATH":
            del os.environ[name]


@pytest.fixture(scope="module")
def quick_evaluations() -> Iterator[None]:
    """Leave out KID, whose features take 8 ms an image, in tests of the engine.

    Tests that compare a trial with one of another process keep it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "features", lambda rgb, device: None)
        yield


@pytest.fixture
def with_kid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure KID all the same."""
    monkeypatch.setattr(reference, "features", features)


@pytest.fixture(scope="session")
def photos() -> Dataset:
    return load(TrainConfig(steps=1))


@pytest.fixture(scope="session")
def crops(photos: Dataset) -> HeldOut:
    """Eight held-out crops of seven photographs."""
    rgb, photograph = held_out(photos.test, TrainConfig(steps=1, eval_images=8))
    photograph[7] = photograph[0]
    return HeldOut.of(rgb, photograph)


@pytest.fixture(scope="session")
def natural(photos: Dataset) -> Natural:
    """400 crops of the training photographs."""
    return Natural(lambda: fixed_crops(photos.train, TrainConfig(steps=1), range(400), 400)[0])


@pytest.fixture(scope="session")
def small_npz(photos: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 training and 36 held-out pictures of 32x32 pixels, cut from the photographs."""
    config = TrainConfig(steps=1, batch_size=64, eval_images=36)
    train, (test, _) = training_batch(photos.train, config, 0), held_out(photos.test, config)
    path = tmp_path_factory.mktemp("data") / "small.npz"
    arrays = [(x * 255).round().byte().permute(0, 2, 3, 1).numpy() for x in (train, test)]
    np.savez(path, train=arrays[0], test=arrays[1])
    return path


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of many shapes: photographs, noise from 64 to 900 pixels, one lying on its side."""
    folder = tmp_path_factory.mktemp("mixed")
    for file in sorted((PHOTOS / "test").iterdir())[:20]:
        shutil.copy(file, folder)
    (folder / "below").mkdir()
    for n, sides in enumerate([(64, 64), (64, 97), (131, 129), (257, 640), (900, 400), (32, 32)]):
        noise(*sides, seed=n).save(folder / "below" / f"{n}.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(70, 130).save(folder / "lying.jpg", exif=exif)
    return folder


@pytest.fixture
def start(small_npz: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start a small training at step 0, with few pictures to evaluate on; all can be set.

    It takes a checkpoint at every evaluation, so that what is there does not depend on the disk.
    """
    monkeypatch.setattr(session, "CHECKPOINT_SHARE", math.inf)

    def start(**fields: Any) -> Trainer:
        config = small(small_npz, **{"eval_images": 4, **fields})
        return Trainer(config, load(config), torch.device("cpu"))

    return start


@pytest.fixture
def web_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A web server on this machine: its address, and the directory that it serves."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    served = tmp_path / "served"
    served.mkdir()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    # torchvision asks for a file's address by a request that it breaks off.
    monkeypatch.setattr(server, "handle_error", lambda *_: None)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", served
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sweep(request: pytest.FixtureRequest) -> str:
    """A sweep of the test's own."""
    return str(request.node.name)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory; Ray would leave its session in it too."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("RAY_TMPDIR", str(here / "ray"))
    for name in ("MLFLOW_TRACKING_URI", "COLORSWEEP_RUNS", "COLORSWEEP_STORAGE", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # is put back, should a flag have set it
    return here


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its sweep."""
    return tmp_path / "mine.yaml"
