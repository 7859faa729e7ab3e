"""Table of every method at every target."""

from reports import judgements
from reports.methods import methods
from reports.views import views
from tests.support.measured_trials import steered


def test_every_method_at_every_target_is_judged_against_the_best_of_its_outputs() -> None:
    trials = [
        steered(error, 30 + 20 * error, target=t, seed=s, weight=w, name=f"weight={w}")
        for w, t, s, error in (
            (1, 0.2, 0, 0.10), (1, 0.2, 1, 0.14), (2, 0.2, 0, 0.11), (2, 0.2, 1, 0.15),
            (3, 0.2, 0, 0.30), (3, 0.2, 1, 0.32),
        )
    ]  # fmt: skip
    table = judgements.table(methods(views(trials)))
    titles = [column.title for column in table.columns]
    lines = [dict(zip(titles, line.cells, strict=True)) for line in table.lines]
    assert [(line["Method"], line["Error"], line["Nearest"]) for line in lines] == [
        ("weight=1", "0.120 ± 0.028", "yes"),
        ("weight=2", "0.130 ± 0.028", "no, within the spread over seeds"),
        ("weight=3", "0.310 ± 0.014", "no, beyond the spread over seeds"),
    ]
    assert {line["Target"] for line in lines} == {"saturation 0.2"}


def test_methods_that_are_equally_near_after_exact_control_are_listed_by_naturalness() -> None:
    trials = [
        steered(0.1, 50, (error, kid), weight=w, name=f"weight={w}")
        for w, error, kid in ((1, 0.0001, 40), (2, 0.0004, 20), (3, 0.0, 30), (4, 0.002, 10))
    ]
    table = judgements.table(methods(views(trials)))
    exact = [line.cells for line in table.lines if "exact" in line.cells]
    assert [cells[1] for cells in exact] == ["weight=2", "weight=3", "weight=1", "weight=4"]
