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
    content = newest.trial | {"config": config.model_dump(mode="json")}
    files = {**newest.files, checkpoint.TRIAL: json.dumps(content).encode()}
    checkpoint.write(directory, content["step"], files)
    shutil.copytree(trained / "samples", directory / "samples")
