"""Check of a sweep's datasets before anything starts."""

from rich.console import Console

from orchestrator.sweep.trials import Trial


def check_datasets(trials: list[Trial], console: Console) -> dict[str, tuple[int, int]]:
    """Load the trials' datasets; return their numbers of training and held-out images by key.

    Raises:
        UserError: a dataset cannot be used, or has no images in the half to evaluate on.
    """
    if not trials:
        return {}
    # torch takes seconds to import.
    from gan.data.batches import half_of
    from gan.data.datasets import load

    counts: dict[str, tuple[int, int]] = {}
    skipped: set[str] = set()
    copies: dict[str, int] = {}
    for trial in trials:
        dataset = load(trial.config)
        half_of(trial.config, len(dataset.test))
        counts[trial.key] = len(dataset.train), len(dataset.test)
        skipped |= set(dataset.skipped)
        if dataset.copies:
            copies[trial.config.dataset_path or trial.config.dataset] = dataset.copies
    for line in sorted(skipped):
        console.print(f"skipped {line}", style="yellow", soft_wrap=True)
    for path, count in sorted(copies.items()):
        console.print(
            f"{path}: {count} held-out image(s) are copies of training images; what is measured on "
            "them looks better than it is",
            style="yellow",
            soft_wrap=True,
        )
    return counts
