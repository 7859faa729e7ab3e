"""Command ``export``: a trained generator in formats for other programs."""

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from gan import checkpoint
from gan.errors import UserError
from orchestrator.commands.generator_options import generator_options, given_target
from orchestrator.commands.terminal import say
from orchestrator.inference.chosen import GeneratorOptions, choose
from orchestrator.store.paths import Locations

ARGUMENTS = [
    *generator_options(several=False),
    click.Option(
        ["--out"],
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="Directory to write into.",
    ),
    click.Option(
        ["--half"],
        is_flag=True,
        help="Round the weights to 16 bits: half as large a safetensors file.",
    ),
    click.Option(["--overwrite"], is_flag=True, help="Replace files of those names."),
    click.Option(["--json", "as_json"], is_flag=True, help="Print what was written as JSON."),
]


@click.command(
    params=ARGUMENTS,
    short_help="Write a generator as ONNX and safetensors.",
    context_settings={"max_content_width": 100},
)
@click.pass_obj
def export(
    locations: Locations,
    /,
    sweep: str | None,
    run: str | None,
    generator: Path | None,
    out: Path,
    half: bool,
    overwrite: bool,
    as_json: bool,
    **targets: Any,
) -> None:
    """Write a trained generator as generator.onnx, generator.safetensors and config.json.

    The ONNX file holds the network: L*/50 - 1 in, and for each picture the targets that are its
    inputs; (a*, b*)/110 out, any batch, height and width (multiples of a stride that is in its
    metadata, with the config). Nothing is written unless ONNX Runtime agrees with PyTorch within
    1e-4. --generator and the Python API take the other two files.

    Exits with 2 on bad input.
    """
    wanted = given_target(targets)
    if wanted and (sweep is None or run is not None):
        raise UserError(f"--{next(iter(wanted))} chooses among the trials of a --sweep")
    which = GeneratorOptions(sweep, run, generator, [wanted])
    with tempfile.TemporaryDirectory() as directory:
        (chosen,) = choose(locations, Path(directory), which)
        from orchestrator.inference.onnx_export import ONNX, export_generator

        network, difference = export_generator(chosen.path, out, half=half, overwrite=overwrite)
    if as_json:
        found = {
            "generator": chosen.shown,
            "onnx": str(out / ONNX),
            "safetensors": str(out / checkpoint.GENERATOR),
            "config": str(out / checkpoint.CONFIG),
            "difference": difference,
            "network_alone": network.config.recolour,
        }
        click.echo(json.dumps(found, indent=1))
        return
    say(f"generator: {chosen.shown}")
    say(f"{out / ONNX}: within {difference:.1g} of PyTorch's ab in [-1, 1]")
    if network.config.recolour:
        say("The file holds the network alone; recolouring comes after it.")
