"""Gauges of a trial, without Ray's exporter; with it in ``tests/system/test_gauges.py``."""

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray.util.metrics import Gauge

from gan.training.progress import Progress
from orchestrator.driver.grafana import DASHBOARD
from orchestrator.worker.gauges import (
    GAUGES,
    Harmless,
    Sample,
    TrialGauges,
    exported,
    samples,
    set_gauge,
)
from orchestrator.worker.run import TrialTask
from tests.support.tasks import task_of
from tests.support.trainings import small

PROGRESS = Progress(
    step=7,
    total_steps=40,
    epoch=0.5,
    images_per_second=80.0,
    metrics={
        "loss/l1": 9.0,
        "loss/hue": 0.2,
        "eval/mae": 0.1,
        "eval/psnr": 21.0,
        "eval/hue": 0.4,
        "eval/hue_error": 0.3,
        "eval/red_crosstalk": 0.01,
    },
    durable_step=5,
    seconds=12.5,
    checkpoint_seconds=0.25,
    evaluation_seconds=1.5,
)


def task(**fields: Any) -> TrialTask:
    return task_of(small(Path("none.npz"), **fields), Path("nowhere"))


def shown(task: TrialTask) -> list[tuple[str, float, str]]:
    found = samples(task, PROGRESS)
    return [(each.name, each.value, " ".join(each.labels.values())) for each in found]


HUE = {"hue": {"target": 0.7}}


def test_a_trial_shows_its_progress_its_losses_and_the_errors_of_its_controls() -> None:
    assert shown(task(controls=HUE)) == [
        ("step", 7, ""),
        ("total_steps", 40, ""),
        ("durable_step", 5, ""),
        ("images_per_second", 80.0, ""),
        ("seconds", 12.5, ""),
        ("checkpoint_seconds", 0.25, ""),
        ("evaluation_seconds", 1.5, ""),
        ("loss", 9.0, "l1"),
        ("loss", 0.2, "hue"),
        ("evaluation", 0.1, "mae"),
        ("evaluation", 0.3, "hue_error"),
    ]


@pytest.mark.parametrize("objective", ["psnr", "hue_error"])
def test_the_objective_is_shown_once(objective: str) -> None:
    of_search = replace(task(controls=HUE), objective=objective)
    evaluations = [metric for name, _, metric in shown(of_search) if name == "evaluation"]
    assert evaluations == [*dict.fromkeys(["mae", "hue_error", objective])]


def test_a_recoloured_trial_shows_evaluations_only() -> None:
    steered = small(Path("none.npz"), controls=HUE)
    recoloured = steered.without_control().recoloured_as(steered)
    found = shown(task_of(recoloured, Path("nowhere")))
    assert found == [("evaluation", 0.1, "mae"), ("evaluation", 0.3, "hue_error")]


def test_labels_hide_credentials_and_have_no_letters_that_ray_refuses() -> None:
    labels = exported({"sweep": "caf\u00e9", "trial": "dataset_path=s3://me:secret@host/x"})
    assert labels == {"sweep": "caf\\xe9", "trial": "dataset_path=s3://***@host/x"}
    set_gauge(Sample("step", 1.0, {"metric": "caf\u00e9"}), {})
    with pytest.raises(UnicodeEncodeError):
        Gauge("colorsweep_refused", "", ("metric",)).set(1.0, {"metric": "caf\u00e9"})


def test_a_failure_is_told_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    gauges = TrialGauges(task())
    broken: Any = {"loss/l1": "not a number"}
    with caplog.at_level(logging.WARNING):
        gauges.show(replace(PROGRESS, metrics=broken))
        gauges.keep()
        gauges.show(PROGRESS)
    (record,) = caplog.records
    assert record.message.startswith("metrics are not exported (could not convert string to float")
    assert record.message.endswith("; training goes on")


def test_an_interrupt_is_no_failure_of_metrics() -> None:
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt), Harmless(told.append):
        raise KeyboardInterrupt
    assert told == []


def test_the_table_of_metrics_is_complete() -> None:
    table = (DASHBOARD.parents[1] / "README.md").read_text(encoding="utf-8")
    assert [*re.findall(r"^\| `ray_colorsweep_(\w+)`", table, re.MULTILINE)] == [
        *[name for name in GAUGES if name not in ("trials", "goodput")],
        *("restarts_total", "trials", "goodput"),
    ]
