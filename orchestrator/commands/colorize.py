"""Command ``colorize``: picture files, coloured by a trained generator."""

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gan.errors import UserError
from orchestrator.commands.flag_values import is_number
from orchestrator.commands.generator_options import generator_options, given_targets
from orchestrator.commands.terminal import Screen, fail, is_quiet, note
from orchestrator.inference.chosen import GeneratorOptions, choose
from orchestrator.inference.written import Written
from orchestrator.store.paths import COLORIZED, Locations

ARGUMENTS = [
    click.Argument(["paths"], nargs=-1, required=True, type=click.Path(path_type=Path)),
    *generator_options(several=True),
    click.Option(
        ["--out"],
        type=click.Path(path_type=Path, file_okay=False),
        help="Directory to write into; pictures of a folder keep their places in it."
        "  [default: beside each picture]",
    ),
    click.Option(
        ["--suffix"],
        help=f"Suffix of output names.  [default: {COLORIZED}; none with --out]",
    ),
    click.Option(
        ["--overwrite"],
        is_flag=True,
        help="Replace existing files, but none that is coloured now.",
    ),
    click.Option(["--in-place"], is_flag=True, help="Write over the pictures themselves."),
    click.Option(
        ["--raw"], is_flag=True, help="Keep the generator's own colours, without exact control."
    ),
    click.Option(
        ["--same-for-all"],
        is_flag=True,
        help="Move all PATHS alike, as frames of one scene: the targets are met by all together.",
    ),
    click.Option(
        ["--strip"],
        is_flag=True,
        help="Write a contact sheet of each picture, too: grayscale, then its colourings.",
    ),
    click.Option(
        ["--animation"],
        is_flag=True,
        help="Write an animation of each picture, too: through its colourings and back.",
    ),
    click.Option(["--json", "as_json"], is_flag=True, help="Print every file written as JSON."),
]


@click.command(
    params=ARGUMENTS,
    short_help="Colour pictures with a trained generator.",
    context_settings={"max_content_width": 100},
)
@click.pass_obj
def colorize(
    locations: Locations,
    /,
    paths: tuple[Path, ...],
    sweep: str | None,
    run: str | None,
    generator: Path | None,
    out: Path | None,
    suffix: str | None,
    overwrite: bool,
    in_place: bool,
    raw: bool,
    same_for_all: bool,
    strip: bool,
    animation: bool,
    as_json: bool,
    **targets: Any,
) -> None:
    """Colour the pictures PATHS, and all in those that are folders, with a trained generator.

    Without --sweep, --run and --generator it is the one that comes with colorsweep. Earlier
    outputs (NAME-colorized..., among PATHS only beside NAME; in folders also NAME and the --suffix
    beside NAME) and hidden files of folders are left alone; a line tells how many, and of other
    files.

    Takes JPEG, PNG, TIFF and WebP, grey or in colour, of 8 or 16 bits and any size. Each picture is
    written in its own format and depth, upright, in sRGB, with its alpha, without metadata, and
    with its lightness unchanged. The given targets replace the trial's own; an any-target trial
    takes them as inputs, and exact control then moves the colours to them.

    Several targets of a statistic, 0.2,0.4 or FIRST:LAST:COUNT (0:1:7 for seven, evenly spread),
    give a picture each, NAME-colorized-saturation-0.2.jpg, ...; of several statistics, every
    combination. No picture that is coloured now is overwritten without --in-place, and no other
    file without --overwrite.

    Prints for each picture the wanted and the achieved value, and the nearest value that its
    lightness allows where that differs.

    With --json stdout has a list with the same of every file, and stderr these lines; with -q only
    failures are printed.

    Exits with 1 if a picture failed (the others are written), 2 on bad options.
    """
    if in_place and (out is not None or suffix is not None):
        raise UserError("--in-place goes with neither --out nor --suffix")
    combinations = given_targets(targets)
    for path in paths:
        if is_number(str(path)) and not path.exists():
            raise UserError(
                f"{path}: is no picture; several numbers are written with commas, such as"
                " --saturation 0.2,0.4"
            )
    if in_place and (len(combinations) > 1 or strip or animation):
        raise UserError(
            "--in-place writes one picture: it goes with neither several numbers, --strip nor"
            " --animation"
        )
    if animation and len(combinations) < 2:
        raise UserError("--animation: give several numbers, such as --saturation 0:1:7")
    if raw and same_for_all:
        raise UserError("--raw moves no colours; it does not go with --same-for-all")
    if suffix is None:
        suffix = COLORIZED if out is None and not in_place else ""
    if Path(suffix).name != suffix:
        raise UserError(f"--suffix: {suffix!r} cannot be part of a file name")
    # Set before torch is imported below. By default its threads wait in a busy loop: with one of
    # two cores busy, 12 megapixels took 4 to 14 s instead of 2 s.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from gan.data.picture_file import SUFFIXES
    from orchestrator.inference.colorize_files import colorize_files
    from orchestrator.inference.jobs import OutputOptions, passed_over, plan_jobs, variants

    if out is not None and not out.is_dir() and out.suffix.lower() in SUFFIXES:
        raise UserError(f"--out {out}: is the directory to write into; --suffix is for names")
    which = GeneratorOptions(sweep, run, generator, combinations)
    outputs = OutputOptions(
        out, suffix, overwrite, in_place, variants(combinations), strip, animation
    )
    jobs, refused = plan_jobs(paths, outputs)
    left_alone = passed_over(paths, outputs)  # before the new outputs are there
    for line in refused:
        fail(line)
    failed = 0
    written: list[Written] = []
    if jobs:
        with tempfile.TemporaryDirectory() as directory:
            chosen = choose(locations, Path(directory), which)
            screen = Screen(soft_wrap=True, stderr=as_json, quiet=is_quiet())
            failed = colorize_files(
                chosen, jobs, screen, raw=raw, same_for_all=same_for_all, written=written
            )
    for line in left_alone:
        note(line)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in written], indent=1, default=str))
    if failed or refused:
        sys.exit(1)
