"""Identity of a trial's pictures: the dataset that its config names, and the digest of what it had.

The same name may lead to other pictures at another time, or from another directory.
"""

from collections import Counter
from collections.abc import Sequence

from gan.config import TrainConfig

Source = tuple[str, str | None, int]
"""Dataset, path and image size as a config names them."""


def source_of(config: TrainConfig) -> Source:
    """Return what decides, with the current directory, which pictures a config leads to."""
    return config.dataset, config.dataset_path, config.image_size


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
    counts: dict[Source, Counter[str]] = {}
    for config, digest in trials:
        if digest:
            counts.setdefault(source_of(config), Counter())[digest] += 1
    # ``most_common`` keeps the order of equal counts.
    usual = {source: count.most_common(1)[0][0] for source, count in counts.items()}
    return [bool(digest) and digest != usual[source_of(config)] for config, digest in trials]
