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
