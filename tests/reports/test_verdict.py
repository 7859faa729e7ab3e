from dataclasses import replace
from typing import Any

from gan.control import Control
from reports.folds import unseeded
from reports.phase import TrialPhase
from reports.rows import Row, rows
from reports.verdict import sentences, verdicts
from tests.support.trial_runs import run

(ROW,) = rows([run("saturation=0.5", {"saturation": Control(target=0.5)})])


def row(error: float, kid: float | None = None, **changes: Any) -> Row:
    """A row at saturation 0.5; its interval of KID is 5 wide to each side."""
    ends = {} if kid is None else {"kid": kid, "kid_low": kid - 5, "kid_high": kid + 5}
    settings: dict[str, Any] = {"error": error, "js_divergence": 0.1, **ends, **changes}
    recipe = unseeded(settings.get("training", ROW.training))
    return replace(ROW, **{"recipe_key": recipe, **settings})


def of_any(error: float, kid: float | None = None, **changes: Any) -> Row:
    return row(
        error, kid, any_target=True, **{"key": "any", "training": "saturation=any", **changes}
    )


def rival(error: float, kid: float | None = None, **changes: Any) -> Row:
    return row(
        error,
        kid,
        recoloured=True,
        way="exact",
        **{"key": "moved", "training": "recoloured, saturation=0.5", **changes},
    )


def said(*table: Row) -> list[str]:
    return [sentence.text for sentence in sentences(table)]


def test_one_method_is_nearest_and_most_natural_and_held_against_the_rival() -> None:
    assert said(of_any(0.033, 60), of_any(0.002, 38, way="exact"), rival(0.003, 70)) == [
        "Of 3 methods at saturation 0.5, any-target after exact control is nearest (error 0.002; "
        "rival 0.003) and most natural (KID 38 [33, 43]; rival 70 [65, 75])."
    ]


def test_intervals_that_overlap_are_called_so() -> None:
    (text,) = said(of_any(0.002, 38), rival(0.003, 47))
    assert text.endswith("(KID 38 [33, 43]; rival 47 [42, 52]: a difference within the intervals).")
    (text,) = said(of_any(0.002, 38), rival(0.003, 48.5))
    assert "within the intervals" not in text


def test_the_nearest_and_the_most_natural_can_be_two_and_the_latters_error_is_told() -> None:
    (text,) = said(of_any(0.1, 20), row(0.001, 90, way="exact"), rival(0.004, 50))
    assert text == (
        "Of 3 methods at saturation 0.5, one generator a target after exact control is nearest "
        "(error 0.001; rival 0.004); any-target is most natural (KID 20 [15, 25] at error 0.100; "
        "rival 50 [45, 55])."
    )


def test_a_rival_that_wins_is_said_to_and_held_against_the_next() -> None:
    (text,) = said(of_any(0.1, 60), rival(0.001, 40))
    assert text == (
        "Of 2 methods at saturation 0.5, the recoloured baseline is nearest (error 0.001; next: "
        "any-target, 0.100) and most natural (KID 40 [35, 45]; next: any-target, 60 [55, 65])."
    )


def test_errors_that_are_written_alike_are_equal() -> None:
    (text,) = said(of_any(0.00049, 60, way="exact"), rival(0.0, 40))
    assert "the recoloured baseline and any-target after exact control are nearest" in text
    assert "(error 0.000);" in text


def test_without_kid_the_divergence_of_colours_decides() -> None:
    table = of_any(0.1, js_divergence=0.02), rival(0.2, 40, js_divergence=0.13)
    end = "and most natural in its mix of colours (JS 0.020; rival 0.130)."
    assert said(*table)[0].endswith(end)


def test_without_either_nothing_is_said_of_naturalness() -> None:
    table = of_any(0.1, js_divergence=None), rival(0.2, js_divergence=None)
    assert said(*table)[0].endswith("; naturalness was not measured.")


def test_without_a_rival_the_next_is_named() -> None:
    (text,) = said(of_any(0.1, 30), of_any(0.01, 50, way="exact"))
    assert "(error 0.010; next: any-target, 0.100)" in text


def test_seeds_are_folded_and_the_widest_interval_counts() -> None:
    two = [
        of_any(e, k, key=str(k), training=f"saturation=any, seed={k}")
        for e, k in ((0.1, 20), (0.3, 30))
    ]
    (verdict,) = verdicts([*two, rival(0.25, 60)])
    (method,) = (m for m in verdict.methods if not m.rival)
    assert method.name == "any-target"
    assert (method.error, method.kid and method.kid.value) == (0.2, 25)
    assert method.kid is not None
    assert (method.kid.low, method.kid.high) == (15, 35)


def test_what_is_set_beside_the_targets_is_part_of_a_methods_name() -> None:
    late = of_any(0.1, 30, key="late", training="saturation=any, penalty_from_step=0.8, seed=1")
    old = row(0.1, 30, training="saturation=0.5, preset=original")
    other = rival(0.0, 50, training="recoloured, saturation=0.5, l1_weight=10")
    (verdict,) = verdicts([late, of_any(0.2, 20), old, rival(0.0, 60, key="r"), other])
    assert [m.name for m in verdict.methods] == [
        "any-target (penalty_from_step=0.8)",
        "any-target",
        "one generator a target (preset=original)",
        "the recoloured baseline",
        "the recoloured baseline (l1_weight=10)",
    ]


def test_what_differs_in_its_targets_alone_has_its_whole_name() -> None:
    part = of_any(0.1, 30, key="part", training="saturation=0.1..0.9")
    (verdict,) = verdicts([part, of_any(0.2, 20)])
    assert [m.name for m in verdict.methods] == [
        "any-target (saturation=0.1..0.9)",
        "any-target (saturation=any)",
    ]


def test_trials_of_one_name_that_train_something_else_are_two_methods() -> None:
    narrow, wide = row(0.1, 30, key="a", recipe_key="16"), row(0.02, 20, key="b", recipe_key="64")
    (verdict,) = verdicts([narrow, wide])
    assert [(m.name, m.error) for m in verdict.methods] == [
        ("one generator a target (saturation=0.5, trial a)", 0.1),
        ("one generator a target (saturation=0.5, trial b)", 0.02),
    ]


def test_what_was_measured_on_other_pictures_is_not_compared() -> None:
    other = rival(0.001, 20, pictures_key="others")
    assert verdicts([of_any(0.1, 30), other]) == []
    assert len(verdicts([of_any(0.1, 30), other, rival(0.001, 25)])[0].methods) == 2


def test_the_target_in_the_middle_is_so_by_number_and_errors_say_what_they_are_in() -> None:
    table = []
    for target in (25.0, 50.0, 100.0):
        at = {"control": "chroma", "target": target, "targets": f"chroma {target:g}"}
        table += [of_any(1.34, 30, **at), rival(0.134, 40, **at)]
    nearest = ", the recoloured baseline is nearest (error 0.001 of the range; "
    assert f"at chroma 50 (the middle of 3 targets){nearest}" in said(*table)[0]
    at = {"control": "chroma", "target": 100.0, "targets": "chroma 100"}
    table.append(row(1.34, 30, **at))
    assert f"at chroma 100 (the target of most methods){nearest}" in said(*table)[0]
    table.append(row(1.34, 30, **{**at, "target": 25.0, "targets": "chroma 25"}))
    most = "at chroma 25 (the middle of 2 targets of most methods)"
    assert f"{most}{nearest}" in said(*table)[0]


def test_a_baseline_recoloured_to_a_number_and_to_any_is_one_rival() -> None:
    again = rival(0.001, 5, key="again", training="recoloured, saturation=any")
    (verdict,) = verdicts([of_any(0.1, 9), rival(0.001, 5), again])
    assert [m.name for m in verdict.methods] == ["any-target", "the recoloured baseline"]


def test_several_controls_count_in_parts_of_their_ranges() -> None:
    chroma = of_any(13.4, 9, control="chroma", targets="x")
    table = [chroma, of_any(0.3, 9, targets="x"), rival(0.1, 9, targets="x")]
    (verdict,) = verdicts(table)
    assert verdict.methods[0].error == 0.2


def test_only_what_is_finished_counts_and_one_method_is_no_verdict() -> None:
    assert said(of_any(0.1, 9), rival(0.001, 5, phase=TrialPhase.RUNNING)) == []
    assert said(of_any(0.1, 9), replace(rival(0.1, 9), error=None)) == []
    assert said() == []


def test_over_several_targets_wins_are_counted() -> None:
    table = []
    for target, ours, theirs in ((0.1, 30.0, 50.0), (0.5, 30.0, 35.0), (0.9, 60.0, 30.0)):
        at = {"target": target, "targets": f"saturation {target:g}"}
        table += [of_any(0.001, ours, way="exact", **at), rival(0.001, theirs, **at)]
    first, second = sentences(table)
    assert "at saturation 0.5" in first.text, "the one in the middle"
    assert second.over == "Over 3 targets"
    assert second.text == (
        "Nearest (or tied) at: any-target after exact control 3, the recoloured baseline "
        "3. Most natural (or tied) at: any-target after exact control 2 (1 beyond the intervals), "
        "the recoloured baseline 1 (1 beyond the intervals)."
    )


def test_each_sweep_has_its_own() -> None:
    table = [of_any(0.1, 9), rival(0.2, 5), of_any(0.1, 9, sweep="b"), rival(0.2, 5, sweep="b")]
    starts = [text.split(" 2 methods")[0] for text in said(*table)]
    assert starts == ["a sweep: of", "b: of"]
