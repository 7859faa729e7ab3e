import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gan import checkpoint
from gan.evaluation import samples
from gan.evaluation.evaluate import generated
from gan.evaluation.reference import shown
from gan.model.stored_generator import load_generator
from gan.training import session
from gan.training.progress import Progress
from gan.training.state import Training
from tests.support.trainings import Start, points, series, weights

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


def read_grid(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A sample grid as (rows, columns, 32, 32, 3): one pixel of each that was repeated."""
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    pitch, repeat = samples.CELL + samples.GAP, samples.CELL // 32
    rows, columns = (-(-side // pitch) for side in picture.shape[:2])
    return np.stack(
        [
            [
                picture[row * pitch :, column * pitch :][: samples.CELL : repeat, ::repeat][:, :32]
                for column in range(columns)
            ]
            for row in range(rows)
        ]
    )


@pytest.mark.slow
def test_a_trial_leaves_two_checkpoints_and_a_grid_of_each_evaluation(
    start: Start, tmp_path: Path
) -> None:
    of = start(steps=14, evaluate_every=4)
    assert of.fit(tmp_path)
    kept = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-00000012", "step-00000014"]
    grids = sorted(p.name for p in (tmp_path / "samples").iterdir())
    assert grids == [f"step-{step:08d}.png" for step in (4, 8, 12, 14)]
    assert list(series(of, "eval/mae")) == [4, 8, 12, 14]
    assert list(series(of, "loss/l1")) == [5, 10, 14]


@pytest.mark.slow
def test_checkpoints_take_no_more_than_their_share_of_the_time(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CHECKPOINT_SHARE", 0.1)
    monkeypatch.setattr(session, "CHECKPOINT_SECONDS", 0)
    spent = slow_down(monkeypatch, 0.2)
    of = start(steps=60)
    before = time.monotonic()
    assert of.fit(tmp_path)
    whole = time.monotonic() - before
    # The first comes at once and the last at the end, whatever they cost.
    assert sum(spent[1:-1]) < 0.1 * whole
    assert len(spent) <= 2 + 0.1 * whole / 0.2


@pytest.mark.slow
def test_training_goes_on_while_a_checkpoint_is_written(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = slow_down(monkeypatch, 1.0)
    monkeypatch.setattr(session, "CHECKPOINT_SHARE", 0.5)
    monkeypatch.setattr(session, "PROGRESS_SECONDS", 0)
    of = start(steps=30, evaluate_every=10)
    seen: list[Progress] = []
    assert of.fit(tmp_path, on_progress=seen.append)
    assert any(p.step > 10 and p.durable_step == 0 for p in seen), "the first was waited for"
    assert [p.durable_step for p in seen] == sorted(p.durable_step for p in seen)
    assert seen[-1].durable_step == 30
    assert len(spent) >= 2
    assert spent[-1] <= seen[-1].checkpoint_seconds < sum(spent), "but for the last"


def slow_down(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[float]:
    """Make every checkpoint take longer to be written; returns how long each took."""
    spent: list[float] = []
    write = checkpoint.write

    def slow(*of: Any) -> Path:
        before = time.monotonic()
        time.sleep(seconds)
        written = write(*of)
        spent.append(time.monotonic() - before)
        return written

    monkeypatch.setattr(checkpoint, "write", slow)
    return spent


def test_the_grid_shows_grayscale_original_fitted_colorized_and_exact(
    start: Start, tmp_path: Path
) -> None:
    of = start(steps=1, eval_images=12)
    of.fit(tmp_path)
    png = checkpoint.sample_file(tmp_path, 1).read_bytes()
    grid = read_grid(png)
    kinds = [row.kind for row in samples.read(png, 32).rows]
    assert kinds == ["grayscale", "original", "fitted", "colorized", "exact"]
    assert grid.shape == (5, 12, 32, 32, 3)
    with np.load(str(of.training.config.dataset_path)) as archive:
        np.testing.assert_array_equal(grid[1], archive["test"][:12])
    assert np.ptp(grid[0].astype(int), axis=-1).max() <= 1, "gray"
    assert all(np.ptp(row.astype(int), axis=-1).mean() > 5 for row in grid[2:]), "in colour"
    # The same lightness in every row: luminance is what grayscale keeps.
    luminance = [((row / 255) ** 2.2) @ [0.2126, 0.7152, 0.0722] for row in grid]
    for row in luminance:
        np.testing.assert_allclose(row, luminance[1], atol=0.03)
    # Fitted and exact pictures are of the targets, each of them.
    for row in grid[[2, 4]] / 255:
        saturation = np.ptp(row, axis=-1) / row.max(axis=-1).clip(1e-3)
        np.testing.assert_allclose(saturation.mean(axis=(1, 2)), 0.75, atol=0.02)


def test_the_metrics_are_those_of_the_pictures_made(start: Start) -> None:
    of = start()
    of.training.train_step()
    of.training.evaluate()
    ((_, metrics),) = points(of)
    l = of.training.held_out.l  # noqa: E741
    rgb = shown(l, generated(of.training.gan.generator, l, {}))
    made = rgb.double().permute(0, 2, 3, 1).numpy()
    with np.load(str(of.training.config.dataset_path)) as archive:
        original = archive["test"][:4] / 255
    high, low = made.max(axis=-1), made.min(axis=-1)
    saturation = ((high - low) / np.maximum(high, 1e-3)).mean(axis=(1, 2))
    # Red, green and blue pull at 0, 120 and 240 degrees.
    angle = np.angle((made @ np.exp(2j * np.pi * np.arange(3) / 3)).mean(axis=(1, 2)))
    wanted = {
        "eval/mae": np.abs(made - original).mean(),
        "eval/saturation": saturation.mean(),
        "eval/saturation_error": np.abs(saturation - 0.75).mean(),
        "eval/hue": np.angle(np.exp(1j * angle).mean()) / (2 * np.pi) % 1,
        "eval/hue_error": np.abs((angle / (2 * np.pi) - 0.6 + 0.5) % 1 - 0.5).mean(),
        "eval/red": made[..., 0].mean(),
        "eval/green": made[..., 1].mean(),
        "eval/blue": made[..., 2].mean(),
        # Whatever the lightness, some chroma of that hue can be had.
        "eval/hue_reachable": 0.6,
    }
    reachable = metrics.pop("eval/saturation_reachable")
    assert {name: metrics[name] for name in wanted} == pytest.approx(wanted, abs=1e-4)
    assert reachable == pytest.approx(0.75, abs=0.02)


def test_evaluating_changes_nothing_of_the_training(start: Start) -> None:
    often, never = start(), start()
    for _ in range(4):
        often.training.train_step()
        often.training.evaluate()
        never.training.train_step()
    assert torch.equal(weights(often), weights(never))


def test_the_checkpoints_generator_makes_the_pictures_of_the_grid(
    start: Start, tmp_path: Path
) -> None:
    of = start(steps=3)
    of.fit(tmp_path)
    newest = checkpoint.newest(tmp_path)
    assert newest is not None
    loaded = load_generator(newest.path)
    with torch.inference_mode():
        ab = loaded(of.training.held_out.l)
        assert torch.allclose(
            ab, of.training.gan.generator.eval()(of.training.held_out.l), atol=1e-5
        )


@pytest.mark.slow
def test_progress_tells_where_the_trial_is(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PROGRESS_SECONDS", 0)
    heard: list[Progress] = []
    of = start(steps=12)
    assert of.fit(tmp_path, on_progress=heard.append)
    assert [(p.step, p.measuring) for p in heard if p.measuring] == [(12, "1 of 1")]
    seen = [p for p in heard if not p.measuring]
    assert [p.step for p in seen] == list(range(13)), "the first before anything is trained"
    assert {p.total_steps for p in seen} == {12}
    # The checkpoint of step 10 is written meanwhile.
    assert [p.durable_step for p in seen][:10] == [0] * 10
    assert [p.durable_step for p in seen][10:] in ([0, 0, 12], [0, 10, 12], [10, 10, 12])
    assert [p.epoch for p in seen] == [step / 8 for step in range(13)]
    assert all(p.images_per_second > 0 for p in seen[1:])
    assert sorted(p.seconds for p in seen) == [p.seconds for p in seen]
    assert "loss/l1" not in seen[4].metrics
    assert seen[-1].metrics["loss/l1"] == series(of, "loss/l1")[12]
    assert seen[-1].metrics["eval/mae"] == series(of, "eval/mae")[12]


@pytest.mark.slow
def test_the_rate_is_that_of_the_steps_without_the_evaluation(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, own_time, skipped = Training.evaluate, time.monotonic, 0.0

    def slowly(self: Training, *args: Any) -> bytes:
        nonlocal skipped
        skipped += 1000
        return own(self, *args)

    monkeypatch.setattr(time, "monotonic", lambda: own_time() + skipped)
    monkeypatch.setattr(Training, "evaluate", slowly)
    seen: list[Progress] = []
    of = start(steps=10, evaluate_every=5)
    assert of.fit(tmp_path, on_progress=seen.append)
    after = [p.images_per_second for p in seen if p.step in (5, 10) and not p.measuring]
    assert after
    assert min(after) > 5 * of.training.config.batch_size / 1000
    assert of.training.seconds - of.training.step_seconds > 2 * 1000
    assert 0 < of.training.step_seconds < 1000
    again = start(steps=15, evaluate_every=15)
    assert again.fit(tmp_path)
    assert again.training.step_seconds > of.training.step_seconds, "it goes on counting"
