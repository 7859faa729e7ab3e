"""Which picture is written where; nothing is written over that nobody meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.inference.image_files import SUFFIXES

SUFFIX = "-colorized"
"""Of outputs that are written beside a picture; a picture that has it is no input."""


@dataclass(frozen=True)
class Job:
    """A picture to colour."""

    picture: Path
    output: Path


@dataclass(frozen=True)
class Where:
    """What the options say of outputs."""

    out: Path | None = None
    """Directory to write into; None: beside the pictures."""
    suffix: str = ""
    """Put behind the names of what is written."""
    overwrite: bool = False
    """Whether files may be replaced that are none of the pictures."""
    in_place: bool = False
    """Whether the pictures themselves are."""

    def output(self, picture: Path, name: Path) -> Path:
        """Return where a picture is written that has this name in ``out``."""
        if self.in_place:  # a link is followed: replaced, it would become a file of its own
            return picture.resolve()
        output = picture if self.out is None else self.out / name
        return output.with_name(f"{output.stem}{self.suffix}{output.suffix}")


def plan_jobs(paths: Sequence[Path], where: Where) -> tuple[list[Job], list[str]]:
    """Find the pictures, and say where each goes.

    Args:
        paths: files, and folders with all that is below them.
        where: the outputs go.

    Returns:
        The jobs, and a line for each path or picture that cannot be one.
    """
    found: dict[Path, Job] = {}
    refused = []
    for path in paths:
        names = _below(path, where) if path.is_dir() else [Path(path.name)]
        if not names:
            refused.append(
                f"{path}: nothing to colour ({', '.join(sorted(SUFFIXES))}) in this folder"
            )
        for name in names:
            picture = path / name if path.is_dir() else path
            found.setdefault(picture.resolve(), Job(picture, where.output(picture, name)))
    jobs: dict[Path, Job] = {}
    for job in found.values():
        output = job.output.resolve()
        if reason := _refusal(job, jobs.get(output), where, is_picture=output in found):
            refused.append(f"{job.picture}: {reason}")
        else:
            jobs[output] = job
    return list(jobs.values()), refused


def _below(folder: Path, where: Where) -> list[Path]:
    """Names of all pictures below a folder, without hidden ones and what was written before."""
    return sorted(
        file.relative_to(folder) for file in folder.rglob("*") if _is_input(file, folder, where)
    )


def _is_input(file: Path, folder: Path, where: Where) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    output = file.stem.endswith((SUFFIX, where.suffix or SUFFIX))
    if where.out is not None and folder.resolve() in where.out.resolve().parents:
        output |= where.out.resolve() in file.resolve().parents
    return file.suffix.lower() in SUFFIXES and file.is_file() and not hidden and not output


def _refusal(job: Job, other: Job | None, where: Where, *, is_picture: bool) -> str:
    """Say why a picture is not written where it would be; nothing if it is."""
    if other is not None:
        return f"{job.output} is written for {other.picture} already"
    if is_picture and not where.in_place:
        return f"{job.output} is one of the pictures, which only --in-place writes over"
    if job.output.exists() and not (where.overwrite or where.in_place):
        return f"{job.output} is there already; --overwrite replaces it"
    return ""
