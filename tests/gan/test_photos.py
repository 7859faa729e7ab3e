"""The photographs that are carried along."""

import csv
import hashlib
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan.config import TrainConfig
from gan.data.datasets import Dataset, _load_photos
from gan.data.identity import PHOTOS
from gan.data.images import SCALES
from tests.support.image_sets import in_memory, levels


def test_no_photograph_is_in_both_train_and_test() -> None:
    for identity in (
        lambda file: file.name,
        lambda file: hashlib.sha256(file.read_bytes()).hexdigest(),
    ):
        train, test = ([identity(f) for f in (PHOTOS / p).iterdir()] for p in ("train", "test"))
        assert len(set(train)) == len(train) > 100
        assert len(set(test)) == len(test) > 12
        assert not set(train) & set(test)


def credits_of_photographs() -> list[dict[str, str]]:
    with (PHOTOS / "ATTRIBUTION.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_photograph_is_attributed_and_nothing_else() -> None:
    rows = credits_of_photographs()
    named = [row["file"] for row in rows]
    carried = [
        f"{p.parent.name}/{p.name}" for part in ("train", "test") for p in (PHOTOS / part).iterdir()
    ]
    assert sorted(named) == sorted(carried)
    for row in rows:
        assert row["author"].strip()
        if row["licence"].startswith(("CC-BY", "BSD")):
            assert "changes here" in row["licence_evidence"]


def test_the_text_or_the_address_of_every_licence_comes_along() -> None:
    text = (PHOTOS / "LICENCES.txt").read_text(encoding="utf-8")
    for licence in {row["licence"] for row in credits_of_photographs()}:
        assert re.search(rf"^{re.escape(licence)} ", text, re.MULTILINE)
    assert "Redistributions in binary form must reproduce the above\ncopyright notice" in text


def test_no_original_is_in_both_train_and_test_and_one_part_of_each_is_held_out() -> None:
    groups: dict[str, list[str]] = {"train": [], "test": []}
    for row in credits_of_photographs():
        assert re.fullmatch(r"g\d{3}", row["group"])
        groups[row["file"].split("/")[0]].append(row["group"])
    assert not set(groups["train"]) & set(groups["test"])
    assert len(set(groups["test"])) == len(groups["test"])
    assert len(set(groups["train"])) < len(groups["train"])


def test_every_photograph_is_usable(photos: Dataset) -> None:
    assert photos.skipped == ()
    group = {row["file"]: row["group"] for row in credits_of_photographs()}
    for name, images in (("train", photos.train), ("test", photos.test)):
        files = sorted(f"{name}/{file.name}" for file in (PHOTOS / name).iterdir())
        assert len(in_memory(images).scales) == len(files)
        groups = in_memory(images).groups
        assert groups is not None
        counts = Counter(group[file] for file in files)
        assert len(images) == len(counts)
        for n, size in enumerate(groups.sizes.tolist()):
            shown = groups.shown(torch.full((size,), n), torch.arange(size)).tolist()
            (original,) = {group[files[picture]] for picture in shown}
            assert len(set(shown)) == size == counts.pop(original)


def test_a_photograph_that_is_damaged_leaves_the_others_of_its_group(tmp_path: Path) -> None:
    chosen = ("alps-373-a", "alps-373-b", "alps-374-a", "alps-374-b", "aracari-625")
    rows = [r for r in credits_of_photographs() if Path(r["file"]).stem in chosen]
    for row in rows:
        (tmp_path / row["file"]).parent.mkdir(exist_ok=True)
        shutil.copy(PHOTOS / row["file"], tmp_path / row["file"])
    (tmp_path / "train" / "alps-373-a.jpg").write_bytes(b"")
    shutil.copy(PHOTOS / "ATTRIBUTION.csv", tmp_path)
    dataset = _load_photos(tmp_path, 32)
    (line,) = dataset.skipped
    assert "alps-373-a.jpg" in line
    groups = in_memory(dataset.train).groups
    assert groups is not None
    assert groups.sizes.tolist() == [1, 2]
    assert groups.shown(torch.tensor([0, 0, 1, 1]), torch.arange(4)).tolist() == [0, 0, 1, 2]


def test_scales_are_the_photograph_reduced_and_never_enlarged(photos: Dataset) -> None:
    for n, file in enumerate(sorted((PHOTOS / "test").iterdir())):
        with Image.open(file) as picture:
            width, height = picture.size
            sides = [int(s * 32) for s in SCALES if s * 32 <= min(width, height)]
            stored = levels(photos.test, n)
            assert [min(level.shape[:2]) for level in stored] == sides
            for level in stored:
                assert level.shape[1] / level.shape[0] == pytest.approx(width / height, rel=0.02)
            small = np.asarray(picture.convert("RGB").reduce(4), dtype=float)
        # Whatever the filter, the mean colour stays.
        for level in stored:
            np.testing.assert_allclose(level.mean(axis=(0, 1)), small.mean(axis=(0, 1)), atol=3)


def test_the_photographs_fill_the_default_batch_up_to_128_pixels() -> None:
    with (PHOTOS / "ATTRIBUTION.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("train/")]
    large = set()
    for row in rows:
        with Image.open(PHOTOS / row["file"]) as picture:
            if min(picture.size) >= 128:
                large.add(row["group"])
    assert len(large) >= TrainConfig.model_fields["batch_size"].default
