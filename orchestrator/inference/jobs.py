"""Plan of the output file of each picture, without unintended overwriting."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan.data.picture_file import SUFFIXES, picture_names
from gan.errors import UserError
from orchestrator.store.paths import COLORIZED


@dataclass(frozen=True)
class Job:
    """Picture to colour, and its output."""

    picture: Path
    output: Path


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

    def output(self, picture: Path, name: Path) -> Path:
        """Return the output file of a picture; ``name`` is its relative path in ``out``."""
        if self.in_place:  # replace the target of a link, not the link
            return picture.resolve()
        output = picture if self.out is None else self.out / name
        return output.with_name(f"{output.stem}{self.suffix}{output.suffix}")


def plan_jobs(paths: Sequence[Path], where: OutputOptions) -> tuple[list[Job], list[str]]:
    """Return jobs for files and all pictures below folders, and a line for each refusal."""
    found: dict[Path, Job] = {}
    refused = []
    for path in paths:
        try:
            names = _below(path, where) if path.is_dir() else [Path(path.name)]
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
            found.setdefault(key, Job(picture, where.output(picture, name)))
    pictures = {job.picture.resolve() for job in found.values()}
    jobs: dict[Path, Job] = {}
    for job in found.values():
        output = job.output.resolve()
        if reason := _refusal(job, jobs.get(output), where, is_picture=output in pictures):
            refused.append(f"{job.picture}: {reason}")
        else:
            jobs[output] = job
    return list(jobs.values()), refused


def _below(folder: Path, where: OutputOptions) -> list[Path]:
    """Return the names of pictures below a folder, without hidden files and earlier outputs."""
    names = map(Path, picture_names(str(folder)))
    return [name for name in names if not _is_output(folder / name, folder, where)]


def _is_output(file: Path, folder: Path, where: OutputOptions) -> bool:
    output = file.stem.endswith((COLORIZED, where.suffix or COLORIZED))
    if where.out is not None and folder.resolve() in where.out.resolve().parents:
        output |= where.out.resolve() in file.resolve().parents
    return output


def _refusal(job: Job, other: Job | None, where: OutputOptions, *, is_picture: bool) -> str:
    """Return why a picture is not written to its output, or an empty string."""
    if other is not None:
        return f"{job.output} is written for {other.picture} already"
    if is_picture and not where.in_place:
        return f"{job.output} is one of the pictures, which only --in-place writes over"
    if job.output.exists() and not (where.overwrite or where.in_place):
        return f"{job.output} is there already; --overwrite replaces it"
    return ""
