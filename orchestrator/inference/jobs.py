"""Plan of the output files of each picture, without unintended overwriting."""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gan.control import CONTROLS, ControlName
from gan.data.picture_file import SUFFIXES, picture_names
from gan.errors import UserError
from orchestrator.store.paths import COLORIZED

STRIP, ANIMATION = "-strip.png", "-animation.webp"
"""Ends of the names of contact sheets and animations."""
VARIANT = rf"(-({'|'.join(CONTROLS)})-[-+.e\d]+)*(-strip|-animation)?"
"""What the names of outputs have after the suffix, as a regular expression."""


@dataclass(frozen=True)
class Job:
    """Picture to colour, and its outputs."""

    picture: Path
    outputs: tuple[Path, ...]
    """One for each combination of targets."""
    strip: Path | None = None
    """Contact sheet."""
    animation: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that are written."""
        return (*self.outputs, *filter(None, (self.strip, self.animation)))


@dataclass(frozen=True)
class OutputOptions:
    """Options that choose the outputs."""

    out: Path | None = None
    """Directory to write into; None for next to the pictures."""
    suffix: str = ""
    """Text appended to the stems of output names."""
    overwrite: bool = False
    """Whether existing files that are not inputs may be replaced."""
    in_place: bool = False
    """Whether the inputs themselves are replaced."""
    variants: tuple[str, ...] = ("",)
    """Ends of the stems of output names, one for each combination of targets."""
    strip: bool = False
    animation: bool = False

    def job(self, picture: Path, name: Path) -> Job:
        """Return the job of a picture; ``name`` is its relative path in ``out``."""
        if self.in_place:  # replace the target of a link, not the link
            return Job(picture, (picture.resolve(),))
        output = picture if self.out is None else self.out / name
        stem = f"{output.stem}{self.suffix}"
        return Job(
            picture,
            tuple(output.with_name(f"{stem}{each}{output.suffix}") for each in self.variants),
            output.with_name(f"{stem}{STRIP}") if self.strip else None,
            output.with_name(f"{stem}{ANIMATION}") if self.animation else None,
        )


def variants(combinations: Sequence[Mapping[ControlName, float]]) -> tuple[str, ...]:
    """Name the combinations of targets by those that vary: -saturation-0.2, ..."""
    varied = [n for n in combinations[0] if len({each[n] for each in combinations}) > 1]
    return tuple("".join(f"-{n}-{each[n]:.12g}" for n in varied) for each in combinations)


def plan_jobs(paths: Sequence[Path], where: OutputOptions) -> tuple[list[Job], list[str]]:
    """Return jobs for files and all pictures below folders, and a line for each refusal."""
    found: dict[Path, Job] = {}
    refused = []
    made = _outputs_among(paths)
    for path in paths:
        if path in made:
            continue
        try:
            names = _below(path, where)[0] if path.is_dir() else [Path(path.name)]
        except UserError as error:
            refused.append(str(error))
            continue
        if not names:
            refused.append(
                f"{path}: nothing to colour ({', '.join(sorted(SUFFIXES))}) in this folder"
            )
        for name in names:
            picture = path / name if path.is_dir() else path
            # A link to another picture has an output of its own, unless that is the picture.
            same = picture.parent.resolve() / picture.name
            key = picture.resolve() if where.in_place else same
            found.setdefault(key, where.job(picture, name))
    pictures = {job.picture.resolve() for job in found.values()}
    jobs = []
    taken: dict[Path, Path] = {}
    for job in found.values():
        reasons = (_refusal(file, taken, where, pictures) for file in job.files)
        if reason := next(filter(None, reasons), None):
            refused.append(f"{job.picture}: {reason}")
        else:
            jobs.append(job)
            taken |= dict.fromkeys((file.resolve() for file in job.files), job.picture)
    return jobs, refused


def passed_over(paths: Sequence[Path], where: OutputOptions) -> list[str]:
    """Return a line for each folder with files that are not coloured, hidden ones aside.

    One more names the given files that are earlier outputs.
    """
    made = _outputs_among(paths)
    lines = [_left("earlier outputs", [*made])] if made else []
    for folder in filter(Path.is_dir, paths):
        with suppress(UserError):  # ``plan_jobs`` tells of it
            left = {
                "earlier outputs": _below(folder, where)[1],
                "other files": [f for f in _files(folder) if f.suffix.lower() not in SUFFIXES],
            }
            lines += [f"{folder}: {_left(kind, files)}" for kind, files in left.items() if files]
    return lines


def _left(kind: str, files: Sequence[Path]) -> str:
    return f"{kind} left alone: {len(files)}, such as {files[0].name}"


def _outputs_among(paths: Sequence[Path]) -> dict[Path, None]:
    """Return the given files that are earlier outputs of others, as a shell's ``*.jpg`` has them.

    These have NAME-colorized beside NAME; another suffix may be part of any name.
    """
    files = [path for path in paths if not path.is_dir()]
    stems = {path.with_suffix("") for path in files}
    return dict.fromkeys(path for path in files if _is_made_of(stems, path, COLORIZED))


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder, without hidden ones and those in hidden folders."""
    names = (file.relative_to(folder) for file in sorted(folder.rglob("*")) if file.is_file())
    return [folder / name for name in names if not any(p.startswith(".") for p in name.parts)]


def _below(folder: Path, where: OutputOptions) -> tuple[list[Path], list[Path]]:
    """Return the names of pictures below a folder, and of earlier outputs; hidden ones aside."""
    names = [*map(Path, picture_names(str(folder)))]
    stems = {name.with_suffix("") for name in names}
    made = {name for name in names if _is_output(folder, name, stems, where)}
    return [name for name in names if name not in made], [name for name in names if name in made]


def _is_output(folder: Path, name: Path, stems: Collection[Path], where: OutputOptions) -> bool:
    """Whether a picture is an earlier output.

    Its name ends in -colorized; or in the suffix, beside the picture that it was made from, which
    is among ``stems``; or it lies in the directory of outputs.
    """
    if re.search(f"{COLORIZED}{VARIANT}$", name.stem):
        return True
    if where.out is None:
        return _is_made_of(stems, name, where.suffix)
    out = where.out.resolve()
    return folder.resolve() in out.parents and out in (folder / name).resolve().parents


def _is_made_of(stems: Collection[Path], name: Path, suffix: str) -> bool:
    """Whether a name is that of one among ``stems``, and the suffix of outputs."""
    made = re.fullmatch(f"(.+){re.escape(suffix)}{VARIANT}", name.stem, re.DOTALL)
    return made is not None and made[1] != name.stem and name.with_name(made[1]) in stems


def _refusal(
    file: Path, taken: Mapping[Path, Path], where: OutputOptions, pictures: Collection[Path]
) -> str:
    """Return why a file is not written, or an empty string.

    Args:
        file: output.
        taken: picture by output that is written for it.
        where: the options.
        pictures: all that are coloured.
    """
    if (other := taken.get(file.resolve())) is not None:
        return f"{file} is written for {other} already"
    if file.resolve() in pictures and not where.in_place:
        return f"{file} is one of the pictures, which only --in-place writes over"
    if file.exists() and not (where.overwrite or where.in_place):
        return f"{file} is there already; --overwrite replaces it, --suffix names another"
    return ""
