"""One trained trial as if it were many."""

import json
import shutil
from pathlib import Path

from gan import checkpoint
from gan.config import TrainConfig


def copy_as(config: TrainConfig, trained: Path, directory: Path) -> None:
    """Copy a trial's newest checkpoint and its sample grids, as those of another trial."""
    newest = checkpoint.newest(trained)
    assert newest is not None
    files = {
        file.name: file.read_bytes()
        for file in newest.iterdir()
        if file.name != checkpoint.MANIFEST
    }
    content = json.loads(files[checkpoint.TRIAL])
    content["config"] = config.model_dump(mode="json")
    files[checkpoint.TRIAL] = json.dumps(content).encode()
    checkpoint.write(directory, content["step"], files)
    shutil.copytree(trained / "samples", directory / "samples")
