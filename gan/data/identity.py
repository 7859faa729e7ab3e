"""Identity of a trial's pictures: the dataset that its config names, and the digest of what it had.

The same name may lead to other pictures at another time, or from another directory.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gan.byte_names import as_path
from gan.config import TrainConfig

PHOTOS = Path(__file__).parent.parent / "photos"
DatasetSource = tuple[str, str | None, int]
"""Dataset, path and image size as a config names them."""


def source_of(config: TrainConfig) -> DatasetSource:
    """Return what decides, with the current directory, which pictures a config leads to."""
    return config.dataset, config.dataset_path, config.image_size


def path_of(config: TrainConfig, root: Path | None = None) -> Path:
    """Return where the pictures of a config's dataset are read from on this machine.

    Args:
        config: names dataset and path.
        root: base of a relative ``dataset_path``; by default the current directory.
    """
    if config.dataset_path is not None:
        return (root or Path.cwd()) / Path(as_path(config.dataset_path)).expanduser()
    return PHOTOS if config.dataset == "photos" else Path.home() / ".cache" / "colorsweep"


def dataset_of(config: TrainConfig) -> str:
    """Name a config's dataset, with its path if it has one, for messages."""
    path = f" ({config.dataset_path})" if config.dataset_path is not None else ""
    return f"dataset {config.dataset}{path}"


def of_other_pictures(trials: Sequence[tuple[TrainConfig, str]]) -> list[bool]:
    """Tell which trials had other pictures than most trials of the same dataset, path and size.

    Args:
        trials: config and dataset digest of each trial; without a digest nothing is told of it.
            Of equally many trials the first are taken for the rule.
    """
    counts: dict[DatasetSource, Counter[str]] = {}
    for config, digest in trials:
        if digest:
            counts.setdefault(source_of(config), Counter())[digest] += 1
    # ``most_common`` keeps the order of equal counts.
    usual = {source: count.most_common(1)[0][0] for source, count in counts.items()}
    return [bool(digest) and digest != usual[source_of(config)] for config, digest in trials]
