"""The live view's rows."""

import io
from typing import Any

from rich.console import Console

from gan.config import TrainConfig
from gan.control import Control
from gan.training.progress import Progress
from orchestrator.driver.live_view import LiveView
from orchestrator.store.events import TrialEvent
from orchestrator.sweep.trials import Trial
from reports.phase import TrialPhase


def shown(width: int, speed: float = 0.0, measuring: str = "") -> str:
    config = TrainConfig.model_validate({"steps": 40, "controls": {"saturation": {"min": 0.1}}})
    console = Console(file=io.StringIO(), width=width)
    view = LiveView(console)
    view.add(Trial("saturation=0.1..", "key", config))
    progress = Progress(40, 40, 1.0, speed, {}, 0, 1.0, 0.0, measuring=measuring)
    view.update(TrialEvent("key", TrialPhase.RUNNING, progress))
    with console.capture() as captured:
        console.print(view.table())
    return captured.get()


def test_a_recoloured_trial_claims_no_steps() -> None:
    baseline = TrainConfig(steps=40)
    steered = baseline.model_copy(update={"controls": {"saturation": Control(target=0.5)}})
    console = Console(file=io.StringIO(), width=80)
    view = LiveView(console)
    view.add(Trial("moved", "key", baseline.recoloured_as(steered)))
    for step, claimed in ((0, False), (20, True), (40, False)):  # it trains what its baseline lacks
        progress = Progress(step, 40, step / 8, 0.0, {"eval/mae": float(step)}, 0, 1.0, 0.0)
        view.update(TrialEvent("key", TrialPhase.RUNNING, progress))
        with console.capture() as captured:
            console.print(view.table())
        (line,) = captured.get().splitlines()[1:]
        assert (f"{step}/40" in line, f"{step / 8:.1f}" in line) == (claimed, claimed)
        said = console.file.getvalue()  # type: ignore[attr-defined]
        assert (f"step {step} of 40" in said) == claimed


def test_a_recoloured_trial_that_starts_again_shows_no_steps_of_its_baseline() -> None:
    # After an edit to more steps, its checkpoint is at the end of the shorter training.
    baseline = TrainConfig(steps=18)
    steered = baseline.model_copy(update={"controls": {"saturation": Control(target=0.5)}})
    console = Console(file=io.StringIO(), width=80)
    view = LiveView(console)
    view.add(Trial("moved", "key", baseline.recoloured_as(steered)))
    progress = Progress(12, 18, 2.7, 0.0, {"eval/mae": 0.1}, 12, 1.0, 0.0)
    view.update(TrialEvent("key", TrialPhase.STARTING, progress))
    assert "step 12" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_where_rows_are_hidden_all_are_counted() -> None:
    console = Console(file=io.StringIO(), width=80, height=10)
    view = LiveView(console)
    for number in range(8):
        view.add(Trial(f"trial {number}", str(number), TrainConfig(steps=40, seed=number)))
    phases = [TrialPhase.FINISHED, TrialPhase.RUNNING, *[TrialPhase.STOPPED] * 2]
    for number, phase in enumerate(phases):
        view.update(TrialEvent(str(number), phase))
    with console.capture() as captured:
        console.print(view.table())
    shown = " ".join(captured.get().split())
    assert "1 of 8 trials finished, 4 waiting, 1 running, 2 stopped" in shown
    assert ("seed=1" in shown, "seed=2" in shown) == (True, False)


def test_a_trial_past_its_last_step_says_what_it_measures() -> None:
    for width in (80, 120):
        assert "eval 3/9" in shown(width, measuring="3 of 9")
    assert "eval" not in shown(80, speed=20.0)


def test_a_log_tells_once_when_the_last_evaluation_begins() -> None:
    console = Console(file=io.StringIO(), width=80)
    view = LiveView(console)
    view.add(Trial("seed=1", "key", TrainConfig(steps=40)))

    def line(step: int, speed: float, **fields: Any) -> str:
        """Return what the log says of another event."""
        with console.capture() as captured:
            progress = Progress(step, 40, step / 8, speed, {}, 0, 1.0, 0.0, **fields)
            view.update(TrialEvent("key", TrialPhase.RUNNING, progress))
        return captured.get().rstrip("\n")

    assert line(20, 160.0).endswith("0:16 left")
    begun = line(40, 0.0, measuring="1 of 9")
    assert begun.endswith("step 40 of 40, epoch 5.0  evaluating")
    assert "left" not in begun
    assert line(40, 0.0, measuring="2 of 9") == ""
    with console.capture() as captured:
        view.update(TrialEvent("key", TrialPhase.STOPPED))
    assert "evaluating" not in captured.get()


def test_a_table_that_has_only_its_heading_left_is_removed_at_the_end() -> None:
    console = Console(file=io.StringIO(), width=80, height=10, force_terminal=True)
    view = LiveView(console)
    with view:
        for number in range(8):
            view.add(Trial(f"trial {number}", str(number), TrainConfig(steps=40, seed=number)))
            view.update(TrialEvent(str(number), TrialPhase.FINISHED))
        view.say("kept")
    _, _, after = console.file.getvalue().rpartition("Phase")  # type: ignore[attr-defined]
    assert "\x1b[2K" in after, "the lines are erased"
    assert after.rstrip().endswith("kept\x1b[0m")


def test_a_note_is_taken_back_unless_another_has_replaced_it() -> None:
    view = LiveView(Console(file=io.StringIO(), width=80))
    for said, shown_after in (("waiting", ""), ("unsent", "unsent")):
        view.say("waiting")
        view.say(said)
        view.take_back("waiting")
        assert view.table().caption == shown_after
