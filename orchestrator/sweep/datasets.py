"""Looks at the data of a sweep before anything starts."""

from rich.console import Console

from orchestrator.sweep.trials import Trial


def check_datasets(trials: list[Trial], console: Console) -> dict[str, tuple[int, int]]:
    """Load every dataset that the trials name, once.

    Returns:
        How many images each trial trains on, and how many are held out, by trial key.

    Raises:
        UserError: one of them cannot be used.
    """
    if not trials:
        return {}
    # torch takes seconds to import.
    from gan.data.datasets import load

    counts: dict[str, tuple[int, int]] = {}
    skipped: set[str] = set()
    for trial in trials:
        dataset = load(trial.config)
        counts[trial.key] = len(dataset.train), len(dataset.test)
        skipped |= set(dataset.skipped)
    for line in sorted(skipped):
        console.print(f"skipped {line}", style="yellow", soft_wrap=True)
    return counts
