import os

import pytest
import torch

from orchestrator.driver.estimate import at_once, slots_here
from orchestrator.sweep.sweep_spec import Resources


def test_trials_at_once_end_with_the_last_of_them() -> None:
    seconds = [5, 1, 1, 4, 2]
    assert at_once(seconds, 1) == 13
    assert at_once(seconds, 2) == 7, "5 + 2 beside 1 + 1 + 4"
    assert at_once(seconds, 9) == 5


@pytest.mark.parametrize(
    ("resources", "gpus", "slots"),
    [
        ({"cpus_per_trial": 2}, 0, 4),
        ({"cpus_per_trial": 3}, 0, 2),
        ({"cpus_per_trial": 16}, 0, 1),
        ({}, 3, 3),
        ({"gpus_per_trial": 0.25}, 3, 3),
        ({"gpus_per_trial": 2}, 3, 1),
        ({"cpus_per_trial": 4}, 3, 2),
    ],
)
def test_as_many_run_at_once_as_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, resources: dict[str, float], gpus: int, slots: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    device = torch.device("cuda" if gpus else "cpu")
    assert slots_here(Resources.model_validate(resources), device) == slots
