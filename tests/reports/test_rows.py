import csv
import io
import json
from dataclasses import replace

import pytest

from gan.control import Control
from reports.columns import LAMBDA
from reports.phase import TrialPhase
from reports.row_files import FIELDS, to_csv, to_json
from reports.rows import Row, crosstalk, rows
from reports.tables import ABSENT
from reports.views import views
from tests.support.trial_runs import any_target, run

BASELINE = run(metrics={"eval/saturation": 0.31, "eval/hue": 0.1})
SATURATION = run(
    "saturation=0.75",
    {"saturation": Control(target=0.75, weight=20)},
    {
        "eval/saturation": 0.7,
        "eval/saturation_error": 0.06,
        "eval/saturation_error_low": 0.05,
        "eval/saturation_error_high": 0.07,
        "eval/saturation_error_p90": 0.14,
        "eval/saturation_p10": 0.6,
        "eval/saturation_p90": 0.8,
        "eval/saturation_lowest": 0.0,
        "eval/saturation_highest": 0.9,
        "eval/saturation_reachable": 0.72,
        "eval/saturation_reachable_error": 0.04,
        "eval/saturation_reachable_error_p90": 0.1,
        "eval/hue": 0.2,
        "eval/hue_crosstalk": 0.07,
        "eval/chroma_crosstalk": 16.75,
        "eval/psnr": 21.5,
        "eval/ssim": 0.9,
        "eval/ciede2000": 13.0,
        "eval/accuracy_2": 0.2,
        "eval/accuracy_5": 0.4,
        "eval/colourfulness": 44.0,
        "eval/hue_resultant": 0.6,
        "eval/kid": 41.5,
        "eval/kid_low": 30.0,
        "eval/kid_high": 52.0,
        "eval/js_divergence": 0.04,
        "eval/fitted_ciede2000": 18.0,
        "eval/hue_spread": 0.61,
        "eval/fitted_hue_spread": 0.65,
        "eval/lattice_amplitude": 0.4,
    },
)
PAIR = run(
    "saturation=0.75, hue=0.6",
    {"saturation": Control(target=0.75, weight=200), "hue": Control(target=0.6, weight=5)},
    {
        "eval/saturation": 0.71,
        "eval/saturation_error": 0.05,
        "eval/saturation_reachable": 0.73,
        "eval/hue": 0.61,
        "eval/hue_error": 0.02,
        "eval/hue_reachable": 0.6,
    },
)


def test_a_trial_with_one_control_is_one_row() -> None:
    assert rows([SATURATION]) == [
        Row(
            sweep="a sweep",
            trial="saturation=0.75",
            training="saturation=0.75",
            key=SATURATION.config.key(),
            phase=TrialPhase.FINISHED,
            reason="",
            recoloured=False,
            any_target=False,
            way="raw",
            recipe_key=SATURATION.recipe_key,
            pictures_key=SATURATION.pictures_key,
            other_pictures=False,
            targets="saturation 0.75",
            best=False,
            control="saturation",
            target=0.75,
            weight=20,
            achieved=0.7,
            p10=0.6,
            p90=0.8,
            error=0.06,
            error_low=0.05,
            error_high=0.07,
            error_p90=0.14,
            reachable=0.72,
            reachable_error=0.04,
            reachable_error_p90=0.1,
            lowest=0.0,
            highest=0.9,
            crosstalk=(0.07 + 0.125) / 2,
            mae=0.125,
            psnr=21.5,
            ssim=0.9,
            ciede2000=13,
            accuracy_2=0.2,
            accuracy_5=0.4,
            fid=None,
            colourfulness=44,
            hue_resultant=0.6,
            natural_hue_resultant=None,
            kid=41.5,
            kid_low=30,
            kid_high=52,
            kid_natural=None,
            js_divergence=0.04,
            fitted_ciede2000=18,
            fitted_ciede2000_low=None,
            fitted_ciede2000_high=None,
            fitted_mae=None,
            fitted_psnr=None,
            hue_spread=0.61,
            fitted_hue_spread=0.65,
            lattice=None,
            lattice_amplitude=0.4,
            steps=50,
            total_steps=100,
            epochs=3.96,
            seconds=8,
            images_per_second=50 * 16 / 4,
            restarts=2,
            goodput=0.875,
            device="CPU, 1 thread(s)",
            taken_over_from=None,
            command="colorsweep train --name 'a sweep-again' --steps 100 --batch-size 16"
            " --desired-saturation 0.75 --saturation-weight 20",
        )
    ]


def test_a_baseline_is_one_row_without_a_target() -> None:
    (row,) = rows([BASELINE])
    assert (row.trial, row.control, row.target, row.weight) == ("baseline", None, None, None)
    assert (row.achieved, row.error, row.reachable) == (None, None, None)
    assert (row.mae, row.steps, row.epochs) == (0.125, 50, 3.96)


def test_a_trial_has_a_row_for_each_control_with_that_controls_values() -> None:
    found = {row.control: row for row in rows([PAIR])}
    assert len(rows([PAIR])) == 2
    assert [
        (row.target, row.weight, row.achieved, row.error, row.reachable)
        for row in (found["saturation"], found["hue"])
    ] == [(0.75, 200, 0.71, 0.05, 0.73), (0.6, 5, 0.61, 0.02, 0.6)]
    assert {row.trial for row in found.values()} == {"saturation=0.75, hue=0.6"}


def test_outputs_after_exact_control_are_a_row_of_their_own() -> None:
    exact = {f"eval/exact/{k.removeprefix('eval/')}": v / 2 for k, v in SATURATION.metrics.items()}
    raw, moved = rows([replace(SATURATION, metrics=SATURATION.metrics | exact)], [])
    assert (raw.way, moved.way) == ("raw", "exact")
    assert (raw.error, moved.error) == (0.06, 0.03)
    assert (raw.kid, moved.kid, moved.reachable_error_p90) == (41.5, 20.75, 0.05)
    assert moved.crosstalk == (0.07 / 2 + 0.125 / 2) / 2


def test_what_was_recoloured_is_measured_after_exact_control_alone() -> None:
    (row,) = rows(
        [
            run(
                "recoloured",
                {"saturation": Control(target=0.75, weight=0)},
                {"eval/saturation_error": 0.01},
                recolour=True,
            )
        ]
    )
    assert (row.way, row.error) == ("exact", 0.01)


def test_a_trial_of_any_target_has_rows_at_each_and_the_command_of_its_one_training() -> None:
    trial = any_target({0.1: 0.02, 0.5: 0.03}, exact=0.001)
    table = rows(views([trial]))
    assert [(row.target, row.way, row.error) for row in table] == [
        *((0.1, "raw", 0.02), (0.1, "exact", 0.001)),
        *((0.5, "raw", 0.03), (0.5, "exact", 0.001)),
    ]
    assert {row.training for row in table} == {"saturation=any"}
    assert table[2].trial == "saturation=any at 0.5"
    assert {row.anchor for row in table} == {rows([trial])[0].anchor}
    (command,) = {row.command for row in table}
    assert "--desired-saturation any" in command
    assert all(row.any_target for row in table)


def test_a_trial_of_any_target_that_is_not_measured_is_a_row_without_a_target() -> None:
    (row,) = rows(views([replace(any_target({0.1: 0.1}), metrics={})]))
    assert (row.control, row.target, row.any_target, row.error) == ("saturation", None, True, None)


def test_rows_keep_the_order_of_the_sweep() -> None:
    names = [row.trial for row in rows([PAIR, BASELINE, SATURATION])]
    assert names == [PAIR.name, PAIR.name, "baseline", "saturation=0.75"]


def test_crosstalk_is_of_what_was_not_asked_for() -> None:
    values = crosstalk(SATURATION)
    assert values["hue"] == 0.07
    assert values["saturation"] is None


def test_what_was_recoloured_had_no_weight_in_training() -> None:
    same = run("recoloured", {"saturation": Control(target=0.75, weight=0)}, recolour=True)
    assert [(row.recoloured, row.weight) for row in rows([SATURATION, same])] == [
        (False, 20),
        (True, None),
    ]


def test_the_best_trial_is_marked() -> None:
    assert [row.best for row in rows([BASELINE, SATURATION, PAIR], [PAIR])] == [
        *(False, False, True, True)
    ]


def test_json_gives_back_every_value() -> None:
    table = rows([BASELINE, SATURATION, PAIR])
    assert json.loads(to_json(table)) == [values_of(row) for row in table]


def values_of(row: Row) -> dict[str, object]:
    """What a file has of a row."""
    return {name: getattr(row, name) for name in FIELDS} | dict(row.settings)


def test_every_setting_that_differs_is_a_column_of_the_files() -> None:
    trials = [run(base_channels=c, seed=s, steps=10 * c, fit="l1") for c in (8, 12) for s in (0, 1)]
    trials.append(any_target({0.1: 0.1, 0.9: 0.1}, fit="none", base_channels=8, steps=80))
    table = rows(views(trials))
    records = list(csv.DictReader(io.StringIO(to_csv(table), newline="")))
    settings = {"base_channels", "seed", "steps_asked", "batch_size", "fit"} & {*records[0]}
    assert settings == {"base_channels", "seed", "steps_asked"}, "a baseline has no fit"
    assert [(r["base_channels"], r["seed"], r["steps_asked"]) for r in records] == [
        *(("8", "0", "80"), ("8", "1", "80"), ("12", "0", "120"), ("12", "1", "120")),
        *(2 * [("8", "0", "80")]),
    ]
    assert [record["steps"] for record in json.loads(to_json(table))] == 6 * [50]
    assert json.loads(to_json(table))[2]["base_channels"] == 12


def test_what_is_not_measured_yet_is_absent() -> None:
    begun = run("hue=0", {"hue": Control(target=0)}, seconds=0, phase=TrialPhase.RUNNING)
    begun.metrics.clear()
    (row,) = rows([begun])
    assert (row.control, row.target, row.phase) == ("hue", 0, "running")
    assert (row.achieved, row.error, row.reachable, row.mae) == (None, None, None, None)
    assert row.images_per_second is None


def test_a_recoloured_trial_claims_no_training() -> None:
    moved = run("recoloured", {"saturation": Control(target=0.75, weight=0)}, recolour=True)
    (row,) = rows([replace(moved, step=moved.total_steps)])
    assert (row.steps, row.total_steps, row.epochs, row.seconds) == (0, 0, 0, 0)
    assert row.images_per_second is None
    # Its baseline ended early, and it trains the rest itself.
    (row,) = rows([moved])
    assert (row.steps, row.total_steps, row.seconds) == (50, 100, 8)


def test_no_runs_have_no_rows() -> None:
    assert rows([]) == []
    assert to_csv([]).splitlines() == [to_csv(rows([BASELINE])).splitlines()[0]]


def test_csv_gives_back_every_value() -> None:
    table = rows([BASELINE, SATURATION, PAIR])
    read = list(csv.DictReader(io.StringIO(to_csv(table), newline="")))
    assert len(read) == len(table) == 4
    for record, row in zip(read, table, strict=True):
        assert record.keys() == values_of(row).keys()
        for name, text in record.items():
            value = values_of(row)[name]
            if value is None:
                assert text == ""
            elif isinstance(value, str):
                assert text == value
            else:
                assert (text == str(value)) if isinstance(value, bool) else float(text) == value


@pytest.mark.parametrize("phase", TrialPhase)
def test_a_rows_phase_is_the_trials(phase: TrialPhase) -> None:
    assert rows([run(phase=phase)])[0].phase is phase


def test_a_small_weight_is_not_shown_as_none() -> None:
    assert [LAMBDA.show(weight) for weight in (0.4, 200.0, None)] == ["0.4", "200", ABSENT]
