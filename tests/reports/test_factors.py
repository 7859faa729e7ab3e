"""Settings that were varied, and between which of their values trials are alike in all else."""

from reports.factors import factors
from reports.methods import methods
from reports.runs import TrialRun
from reports.views import views
from tests.support.measured_trials import steered


def trial(error: float, weight: int, channels: int) -> TrialRun:
    sweep = "narrow" if channels == 8 else "wide"
    return steered(error, weight=weight, base_channels=channels, sweep=sweep, name=f"{weight}")


def compared(*trials: TrialRun) -> list[tuple[str, str, int]]:
    return [(f.best, f.other, len(f.cells)) for f in factors(methods(views(trials)))]


def test_values_that_two_sweeps_share_are_compared_and_each_of_the_others_with_them() -> None:
    found = compared(
        trial(0.3, 1, 8), trial(0.2, 10, 8), trial(0.28, 1, 12), trial(0.1, 100, 12)
    )  # fmt: skip
    assert found == [
        ("base_channels=12", "base_channels=8", 1),
        ("saturation.weight=10", "saturation.weight=1", 1),
        ("saturation.weight=100", "saturation.weight=1", 1),
    ]


def test_values_that_all_else_has_in_common_are_ranked_together() -> None:
    errors = {1: 0.3, 10: 0.2, 100: 0.1}
    crossed = [trial(e + c / 1000, w, c) for w, e in errors.items() for c in (8, 12)]
    assert compared(*crossed) == [
        ("base_channels=8", "base_channels=12", 3),
        ("saturation.weight=100", "saturation.weight=10", 2),
    ]
    # Of three values in one sweep and two in the other, the three are compared where they are.
    assert compared(*crossed[:-1])[1] == ("saturation.weight=100", "saturation.weight=10", 1)


def test_trials_of_which_no_two_are_alike_are_not_compared() -> None:
    pairs = ((1, 0.2), (10, 0.5))
    assert compared(*(steered(0.1, weight=w, target=t, name=f"{w}") for w, t in pairs)) == []
