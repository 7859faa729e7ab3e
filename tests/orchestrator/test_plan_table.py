import pytest
from rich.console import Console

from orchestrator.commands.dry_run import Planned
from orchestrator.commands.plan_table import fitted, plan_table
from reports.phase import TrialPhase

LONG = "saturation=0.5, saturation.weight=200, distribution_weight="


@pytest.mark.parametrize(
    "names",
    [
        ["short", "shorter"],
        [f"{LONG}0", f"{LONG}100", "baseline"],
        [f"a{LONG}", f"b{LONG}"],
        [f"{LONG}a{LONG}", f"{LONG}b{LONG}"],
        [f"{i}{LONG}{j}" for i in range(9) for j in range(9)],
        [f"{LONG}{i}{LONG}{j}{LONG}" for i in range(9) for j in range(9)],
    ],
)
@pytest.mark.parametrize("width", [20, 40])
def test_shortened_names_fit_and_stay_different(names: list[str], width: int) -> None:
    short = fitted(names, width)
    assert len({*short}) == len(names)
    assert max(map(len, short)) <= width
    for name, cut in zip(names, short, strict=True):
        assert cut == name or ("…" in cut and name.startswith(cut.partition("…")[0]))


def planned(name: str, **changes: object) -> Planned:
    fields = {
        "name": name,
        "key": "0123456789",
        "phase": TrialPhase.WAITING,
        "step": 0,
        "steps": 78125,
        "epochs": 200.0,
        "batch_size": 128,
        "base_channels": 64,
        "image_size": 256,
        "data": "places365 1803460+36500",
        "seconds": 3600.0,
        "taken_over_from": None,
    }
    return Planned(**fields | changes)  # type: ignore[arg-type]


def lines(rows: list[Planned], width: int) -> tuple[list[str], list[str]]:
    table, words = plan_table(rows, width)
    console = Console(width=width, force_terminal=False, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return captured.get().splitlines(), words


def test_a_trial_is_one_line_of_80_columns_and_what_all_share_is_said_once() -> None:
    rows = [planned(f"{LONG}{i}", base_channels=8 * i + 8) for i in range(12)]
    (heading, *of), words = lines(rows, 80)
    assert len(of) == len(rows)
    assert max(map(len, [heading, *of])) <= 80
    assert heading.split() == ["Trial", "Phase", "Steps", "Base", "Left"]
    assert (
        "all: epochs 200.0, batch size 128, pixels 256, training + held-out images of places365"
        in words[-1]
    )


def test_where_everything_differs_it_still_fits() -> None:
    rows = [
        planned(f"{LONG}{i}", batch_size=i + 8, base_channels=i + 1, image_size=32 * (1 + i % 2),
                epochs=200.0 + i, data=f"places365 {1803460 + i}+36500")
        for i in range(12)
    ]  # fmt: skip
    (heading, *of), words = lines(rows, 80)
    assert len(of) == len(rows)
    assert max(map(len, [heading, *of])) <= 80
    assert words == ["Base: base channels; Px: image size; Data: training + held-out images"]


def test_a_single_trial_has_all_columns() -> None:
    (heading, _), words = lines([planned("baseline")], 100)
    assert "Data" in heading
    assert not any(line.startswith("all: ") for line in words)
