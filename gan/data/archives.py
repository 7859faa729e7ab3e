"""Well-known datasets, in the files and layouts that torchvision downloads and verifies."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gan.data.containers import Planes, Records
from gan.data.images import ImageSet, image_set_of_squares
from gan.data.streaming import Files, StreamedImages
from gan.errors import UserError

T = TypeVar("T")


def cifar(name: str, path: Path, size: int) -> tuple[ImageSet, ImageSet]:
    """Load CIFAR10 or CIFAR100 into memory: 50,000 and 10,000 pictures of 32 pixels.

    Raises:
        UserError: the dataset is missing and cannot be downloaded, or ``size`` is not 32.
    """
    if size != 32:
        raise UserError(f"image_size: {name} has images of 32 pixels, not {size}")
    from torchvision import datasets

    def get(download: bool) -> list[ImageSet]:
        parts = [getattr(datasets, name)(path, train, download=download) for train in (True, False)]
        return [image_set_of_squares(part.data) for part in parts]

    train, test = _fetch(name, path, get)
    return train, test


def stl10(path: Path, size: int) -> tuple[StreamedImages, StreamedImages]:
    """Open STL-10: 105,000 pictures of 96 pixels to train on (labelled or not), 8,000 held out.

    Raises:
        UserError: the dataset is missing and cannot be downloaded, or ``size`` is above 64.
    """
    _require_at_most("STL-10", size, 64, "96x96")
    from torchvision.datasets import STL10, utils

    # torchvision's class reads the 2.9 GB of its largest file into memory.
    sums = {file: md5 for file, md5 in STL10.train_list + STL10.test_list if "_X" in file}
    folder = path / STL10.base_folder

    def get(download: bool) -> list[StreamedImages]:
        if download:
            utils.download_and_extract_archive(
                STL10.url, path, filename=STL10.filename, md5=STL10.tgz_md5
            )
        for file, md5 in sums.items():
            _require(utils.check_integrity(folder / file, md5), folder / file)
        parts = (("train_X.bin", "unlabeled_X.bin"), ("test_X.bin",))
        return [
            StreamedImages(Planes.of(tuple(folder / file for file in files)), size)
            for files in parts
        ]

    train, test = _fetch("STL-10", path, get)
    return train, test


def celeba(path: Path, size: int) -> tuple[StreamedImages, StreamedImages]:
    """Open CelebA, aligned and cropped to 178x218: 162,770 training and 19,962 test pictures.

    Raises:
        UserError: the dataset is missing and cannot be downloaded, or ``size`` is above 128.
    """
    _require_at_most("CelebA", size, 128, "178x218")
    from torchvision.datasets import CelebA, utils

    # torchvision's class also needs four attribute files, and holds them as Python objects.
    drive = {file: (name, md5) for name, md5, file in CelebA.file_list}
    folder = path / CelebA.base_folder
    partition, archive = folder / "list_eval_partition.txt", folder / "img_align_celeba.zip"
    pictures = folder / archive.stem

    def download_file(file: Path) -> None:
        name, md5 = drive[file.name]
        if not utils.check_integrity(file, md5):
            utils.download_file_from_google_drive(name, folder, file.name, md5)

    def get(download: bool) -> list[StreamedImages]:
        if download:
            download_file(partition)
            if not pictures.is_dir():
                download_file(archive)
                _unpack(utils.extract_archive, archive, pictures, pictures.name)
        _require(utils.check_integrity(partition, drive[partition.name][1]), partition)
        _require(pictures.is_dir(), pictures)
        rows = [line.split() for line in partition.read_text().splitlines()]
        return [
            StreamedImages(Files.of(str(pictures), (n for n, p in rows if p == part)), size)
            for part in ("0", "2")
        ]

    train, test = _fetch("CelebA", path, get)
    return train, test


def places365(path: Path, size: int) -> tuple[StreamedImages, StreamedImages]:
    """Open Places365, reduced to 256x256: 1.8 million pictures to train on, 36,500 to validate.

    Raises:
        UserError: the dataset is missing and cannot be downloaded.
    """
    from torchvision.datasets import Places365, utils

    def get(download: bool) -> list[StreamedImages]:
        meta, images = Places365._IMAGES_META, []
        for split, inside, name in (
            ("train-standard", "data_256", "data_256_standard"),
            ("val", "val_256", "val_256"),
        ):
            file, list_md5 = Places365._FILE_LIST_META[split]
            if download and not utils.check_integrity(path / file, list_md5):
                lists, md5 = Places365._DEVKIT_META["standard"]
                utils.download_and_extract_archive(f"{Places365._BASE_URL}{lists}", path, md5=md5)
            if download and not (path / name).is_dir():
                archive, md5 = meta[split, True]
                utils.download_url(f"{Places365._BASE_URL}{archive}", path, archive, md5)
                _unpack(utils.extract_archive, path / archive, path / name, inside)
            # torchvision's class takes 20 s and 470 MB for the list of 1.8 million files.
            _require(utils.check_integrity(path / file, list_md5), path / file)
            _require((path / name).is_dir(), path / name)
            with (path / file).open() as lines:
                files = Files.of(str(path / name), (x.split()[0].lstrip("/") for x in lines))
            images.append(StreamedImages(files, size, one_window=size == 256))
        return images

    train, test = _fetch("Places365", path, get)
    return train, test


def lsun(path: Path, size: int) -> tuple[StreamedImages, StreamedImages]:
    """Open one category of LSUN: its training and validation databases below ``path``.

    Raises:
        UserError: a database is missing (torchvision cannot download it) or damaged, or the
            package lmdb is missing.
    """
    try:
        import lmdb  # noqa: F401
    except ImportError:
        raise UserError("dataset: lsun needs the package lmdb: pip install lmdb") from None
    train, test = (StreamedImages(Records.of(_database(path, p)), size) for p in ("train", "val"))
    return train, test


def _fetch(title: str, path: Path, get: Callable[[bool], T]) -> T:
    """Open a dataset; missing or altered files are downloaded, with progress, and verified."""
    try:
        return get(False)
    except (OSError, RuntimeError):
        pass
    try:
        get(True)
        return get(False)
    except Exception as error:  # gdown, tarfile, zipfile and urllib raise their own types
        reason = " ".join(str(error).split())
        raise UserError(
            f"dataset_path: {title} is not in {path} and cannot be downloaded there ({reason})"
        ) from None


def _require(sound: bool, file: object) -> None:
    if not sound:
        raise RuntimeError(f"{file} is missing or damaged")


def _require_at_most(title: str, size: int, largest: int, sides: str) -> None:
    if size > largest:
        raise UserError(
            f"image_size: {title} has pictures of {sides} pixels, too small for {size}; "
            f"at most {largest}"
        )


def _unpack(
    extract: Callable[[Path, Path], object], archive: Path, directory: Path, inside: str
) -> None:
    """Unpack an archive's directory ``inside``, completely or not at all."""
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    extract(archive, partial)
    (partial / inside).replace(directory)
    shutil.rmtree(partial, ignore_errors=True)


def _database(path: Path, part: str) -> Path:
    found = sorted(path.glob(f"*_{part}_lmdb"))
    if len(found) != 1:
        raise UserError(
            f"dataset_path: {path} holds {len(found)} directories *_{part}_lmdb instead of one; "
            "LSUN cannot be downloaded by torchvision: get <category>_train_lmdb.zip and "
            "<category>_val_lmdb.zip of one category (github.com/fyu/lsun) and unpack both there"
        )
    return found[0]
