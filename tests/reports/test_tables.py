"""Tables of a report: what is left out, what is said of it, and each output's standing."""

from dataclasses import replace
from typing import Any

import pytest

from gan.control import Control, ControlName
from reports.phase import TrialPhase
from reports.row_tables import of_all, of_controls, of_trainings
from reports.rows import Row, rows
from reports.runs import LEFT_OUT, as_shown
from reports.standing import place_of, standings
from reports.tables import Column, Line, Table, trimmed
from reports.views import views
from tests.support.trial_runs import any_target, run, steered


def table_of(titles: str, *lines: str, quantity: str = "") -> Table:
    columns = [Column(title, quantity=quantity) for title in titles.split()]
    return Table(columns, [Line(line.split(), [*line.split()]) for line in lines])


def titles(table: Table) -> list[str]:
    return [column.title for column in table.columns]


def test_what_is_the_same_in_every_line_is_said_once() -> None:
    found = trimmed(table_of("name a b c", "x 1 2 3", "y 1 4 3"))
    assert titles(found) == ["name", "b"]
    assert [line.cells for line in found.lines] == [["x", "2"], ["y", "4"]]
    assert [line.values for line in found.lines] == [["x", "2"], ["y", "4"]]
    assert found.left_out == "The same in every line: a 1, c 3."


def test_what_equals_another_of_its_quantity_in_every_line_is_said_once() -> None:
    lines = ("x 1 1 1", "y 2 2 2")
    assert titles(trimmed(table_of("name a b c", *lines))) == ["name", "a", "b", "c"]
    found = trimmed(table_of("name a b c", *lines, quantity="error"))
    assert titles(found) == ["name", "a"]
    assert found.left_out == "In every line b equals a and c equals a."


def test_a_single_line_is_shown_whole() -> None:
    one = table_of("name a b", "x 1 1", quantity="error")
    assert trimmed(one) == one


def test_names_stay_if_all_are_one() -> None:
    assert titles(trimmed(table_of("name a", "x 1", "x 2"))) == ["name", "a"]


def test_what_decides_comes_first_and_tells_of_no_setting() -> None:
    trials = [steered(t, e, name="x", phase=p) for t, e, p in TRIALS]
    found = of_controls(rows(trials))
    assert titles(found) == ["Trial", "Wanted", "Error raw", "Phase"]
    assert found.left_out == (
        "The same in every line: Control saturation. In every line Achieved raw equals Wanted."
    )


TRIALS = [(0.25, 0.1, TrialPhase.FINISHED), (0.5, 0.2, TrialPhase.FAILED)]


def test_every_setting_that_differs_is_a_column() -> None:
    trials = [
        run("x", base_channels=c, seed=s, lr_decay_steps=5.0 * c) for c in (8, 12) for s in (0, 1)
    ]
    trials += [
        steered(0.5, 0.1, weight=weight, base_channels=8, lr_decay_steps=40.0) for weight in (1, 5)
    ]
    table = rows(as_shown(trials))
    assert {"base_channels", "seed", "lr_decay_steps"} < {*titles(of_all(table))}
    assert "λ" in titles(of_all(table))
    trained = of_trainings(table)
    settings = ["base_channels", "seed", "lr_decay_steps", "saturation.weight"]
    assert titles(trained)[:5] == ["Trial", *settings]
    assert trained.lines[1].cells[:5] == ["baseline, base_channels=8, seed=1", "8", "1", "40", "–"]
    assert trained.lines[5].cells[4] == "5"
    assert trained.lines[5].values[1:5] == [8, 0, 40.0, 5.0]


def measured(
    target: float, error: float, kid: float | None, weight: float = 9.0, **settings: Any
) -> Row:
    metrics = {"eval/saturation_error": error} | ({} if kid is None else {"eval/kid": kid})
    controls: dict[ControlName, Control] = {"saturation": Control(target=target, weight=weight)}
    return rows([run("x", controls, metrics, **settings)])[0]


def told(*table: Row) -> list[str]:
    found = standings(table)
    return [found.get(place_of(row), "") for row in table]


def test_of_the_outputs_at_a_target_the_nearest_and_the_most_natural_are_told() -> None:
    near, natural = measured(0.5, 0.1, 30), measured(0.5, 0.2, 20, weight=3)
    alone = measured(0.75, 0.01, 1)
    assert told(near, natural, alone) == ["nearest", "most natural", ""]
    both = measured(0.5, 0.05, 10, weight=1)
    assert told(near, natural, both) == ["", "", "nearest, most natural"]


def test_equals_share_their_standing() -> None:
    assert told(measured(0.5, 0.1001, 20.2), measured(0.5, 0.1004, 19.9, weight=3)) == [
        *("nearest, most natural", "nearest, most natural")
    ]


def test_seeds_share_the_standing_of_their_means() -> None:
    lucky, unlucky = measured(0.5, 0.01, 1, seed=0), measured(0.5, 0.3, 90, seed=1)
    steady = measured(0.5, 0.1, 30, weight=3)
    assert told(lucky, unlucky, steady) == ["", "", "nearest, most natural"]


def test_a_trial_of_two_sweeps_weighs_once_in_the_mean_of_its_seeds() -> None:
    good, bad = measured(0.5, 0.01, 10, seed=0), measured(0.5, 0.09, 50, seed=1)
    steady = measured(0.5, 0.04, 40, weight=3)  # nearer than 0.05, not than (0.01 * 2 + 0.09) / 3
    taken_over = replace(good, sweep="y")
    assert told(good, taken_over, bad, steady) == [*["most natural"] * 3, "nearest"]


def test_naturalness_is_told_only_where_all_were_measured() -> None:
    assert told(measured(0.5, 0.1, 30), measured(0.5, 0.2, None, weight=3)) == ["nearest", ""]


def test_what_is_unfinished_or_of_other_pictures_is_no_rival() -> None:
    here, far = measured(0.5, 0.1, 30), measured(0.5, 0.2, 40, weight=3)
    other = replace(measured(0.5, 0.01, 1, weight=1), pictures_key="others")
    failed = measured(0.5, 0.01, 1, weight=2, phase=TrialPhase.FAILED)
    assert told(here, far, other, failed) == ["nearest, most natural", "", "", ""]


@pytest.mark.parametrize("way", ["raw", "exact"])
def test_a_line_of_both_outputs_says_which_is_meant(way: str) -> None:
    exact = 0.001 if way == "exact" else 0.5
    table = rows(views([any_target({0.1: 0.02, 0.5: 0.03}, exact=exact)]))
    found = of_controls(table)
    place = titles(found).index("Verdict") if "Verdict" in titles(found) else None
    said = found.left_out if place is None else found.lines[0].cells[place]
    assert f"{way} nearest" in said


def test_where_versions_of_colorsweep_alone_differ_keys_tell_trials_apart() -> None:
    one = run("baseline")
    other = replace(one, key="0123456789", index=LEFT_OUT)
    names = [f"baseline, key={one.key}", "baseline, key=0123456789"]
    assert [each.name for each in as_shown([one, other])] == names
    assert [each.name for each in as_shown([one, replace(one, sweep="another")])] == 2 * [
        "baseline"
    ]
