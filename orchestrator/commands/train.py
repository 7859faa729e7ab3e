"""Command ``train``: every setting of a trial as a flag, and the original project's flags."""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import click
from pydantic import ValidationError

from gan.config import TrainConfig
from gan.control import TARGET_RANGES, Control
from gan.errors import UserError
from gan.presets import PRESETS
from orchestrator.commands.flag_values import gpus, held_out, listed, smoothing, target, whole
from orchestrator.commands.terminal import Screen, is_quiet, note
from orchestrator.store.paths import Locations
from orchestrator.sweep.spec import require_name

FIELDS = {name: f for name, f in TrainConfig.model_fields.items() if name != "controls"}
EPOCHS = 200.0
"""Default length, that of the original project."""
ORIGINAL_NAMES: dict[str, tuple[str, ...]] = {
    "lr": ("generator_lr", "discriminator_lr"),
    "log_interval": ("log_every",),
    "sample_interval": ("evaluate_every",),
    "validate_interval": ("evaluate_every",),
}
"""Fields set by those flags of the original project that have other names here."""
UNNAMED = {
    *("controls", "steps", "epochs", "dataset", "dataset_path", "image_size", "base_channels"),
    *("batch_size", "log_every", "evaluate_every", "eval_images", "eval_targets"),
}
"""Fields left out of a trial's name: the data and the size of networks and training."""
INTERVALS = [name for name in ORIGINAL_NAMES if name.endswith("interval")]
"""Flags of the original project that count steps; 0 means not given."""
UNUSED = {
    "save_interval": "checkpoints are taken by the clock, and where training stops",
    "sample_size": "sample grids show 12 held-out images",
    "acc_thresh": "accuracy is given at 2 % and at 5 %",
}
"""Flags of the original project that have no effect here, with the reason."""


class _Command(click.Command):
    """Command whose help is divided into sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        of_sections = {option for options in SECTIONS.values() for option in options}
        shared = [option for option in self.get_params(ctx) if option not in of_sections]
        sections: dict[str, Sequence[click.Parameter]] = {**SECTIONS, "Of every command": shared}
        for title, options in sections.items():
            with formatter.section(title):
                records = (option.get_help_record(ctx) for option in options)
                formatter.write_dl([record for record in records if record is not None])


def flag(name: str) -> str:
    """Return the command-line flag of a parameter or setting."""
    return f"--{name.replace('_', '-')}"


def _option(name: str, kind: Any, text: str, metavar: str | None = None) -> click.Option:
    if kind is whole:
        metavar = metavar or "INTEGER"
    return click.Option([flag(name)], type=kind, help=text, metavar=metavar)


def _field_option(name: str) -> click.Option:
    """Return the option of a setting; the model checks its bounds."""
    kind: Any = FIELDS[name].annotation
    if isinstance(kind, UnionType):
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    metavar = "True|False" if kind is bool else None
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        kind, metavar = type(choices[0]), "|".join(map(str, choices))
        if len(metavar) > 30:
            metavar = "NAME"
    if name == "label_smoothing":
        kind, metavar = smoothing, "FLOAT"
    if get_origin(kind) is tuple:
        kind, metavar = listed, "JSON"
    return _option(name, whole if kind is int else kind, _field_help(name), metavar)


def _field_help(name: str) -> str:
    text = " ".join((FIELDS[name].description or "").split())
    sentence = re.split(r"(?<=\.) ", text, maxsplit=1)[0].replace("``", "")
    if name == "label_smoothing":
        sentence += " Above 0.5: that target itself, as in the original; 0.9 means 0.1."
    default = FIELDS[name].default
    if name == "epochs":
        default = f"{EPOCHS:g}, as in the original project"
    shown = f"{default:g}" if isinstance(default, float) else default
    if isinstance(default, tuple):
        shown = json.dumps(default) if default else "none"
    return sentence if default is None else f"{sentence}  [default: {shown}]"


def _control_options() -> list[click.Option]:
    options = []
    for name, (low, high) in TARGET_RANGES.items():
        options += [
            _option(
                f"desired_{name}",
                target,
                f"Target (sigma), {low:g} to {high:g}; any, or LOW:HIGH, makes it an input.",
                "SIGMA",
            ),
            _option(
                f"{name}_weight",
                click.FLOAT,
                "Weight (lambda); --penalty-weight by default.",
            ),
        ]
    hold_out = "Interval of targets that is never drawn in training; may be given again."
    options.append(
        click.Option(
            ["--hold-out"], type=held_out, multiple=True, help=hold_out, metavar="NAME:LOW:HIGH"
        )
    )
    return options


SECTIONS = {
    "Where": [
        click.Option(
            ["--checkpoints-path"],
            type=click.Path(path_type=Path, file_okay=False),
            help="Directory for all output.  [default: RUNS]",
        ),
        click.Option(
            ["--name"],
            default="train",
            show_default=True,
            help="Sweep that the trial is tracked and reported under, with others of that name.",
        ),
        _option("gpu_ids", gpus, "GPUs that may be used, such as 0,1; -1 for the CPU.", "IDS"),
    ],
    "Settings": [
        _option(
            "preset",
            click.Choice(list(PRESETS)),
            "Published recipe whose settings are the defaults.",
        ),
        *(_field_option(name) for name in FIELDS),
    ],
    "Colour statistics to steer": _control_options(),
    "Other flags of the original project": [
        _option("lr", click.FLOAT, "Both learning rates."),
        *(
            _option(name, whole, f"Another name of {flag(ORIGINAL_NAMES[name][0])}.")
            for name in ORIGINAL_NAMES
            if name != "lr"
        ),
        _option(
            "color_space", click.Choice(["LAB"], case_sensitive=False), "Only LAB is supported."
        ),
        _option("kernel_size", click.Choice(["4"]), "Only 4 is supported."),
        *(_option(name, click.STRING, f"No longer used; {text}.") for name, text in UNUSED.items()),
    ],
}
"""Options by their heading in ``--help``."""


def config_of(given: Mapping[str, Any]) -> tuple[TrainConfig, list[str]]:
    """Return the config for flags by parameter name (``lr``), and a note for each ignored flag.

    Raises:
        UserError: two flags contradict each other, or a value is out of bounds; the message names
            the flag.
    """
    notes = [f"{flag(name)}: no longer used; {UNUSED[name]}" for name in given if name in UNUSED]
    given = _one_interval(given, notes)
    fields: dict[str, Any] = {}
    flags = {name: flag(name) for name in FIELDS}
    for name, value in given.items():
        for field in ORIGINAL_NAMES.get(name, (name,)):
            if field not in FIELDS:
                continue
            if field in fields and fields[field] != value:
                raise UserError(f"{flags[field]} with {flag(name)}: both set {field}; give one")
            fields[field], flags[field] = value, flag(name)
    if "steps" in fields and "epochs" in fields:
        raise UserError("--steps with --epochs: each sets the length; give one of them")
    if "steps" not in fields:
        fields.setdefault("epochs", EPOCHS)
    controls: dict[str, dict[str, Any]] = {}
    for name in TARGET_RANGES:
        weight = given.get(f"{name}_weight")
        if f"desired_{name}" in given:
            controls[name] = dict(given[f"desired_{name}"])
            controls[name] |= {} if weight is None else {"weight": weight}
            flags |= {f"{name}.target": f"--desired-{name}", f"{name}.weight": f"--{name}-weight"}
        elif weight is not None:
            notes.append(f"--{name}-weight: no effect without --desired-{name}")
    for name, low, high in given.get("hold_out", ()):
        if name not in controls:
            raise UserError(f"--hold-out {name}: goes with --desired-{name}")
        controls[name].setdefault("hold_out", []).append((low, high))
    if "preset" in given:
        fields["preset"] = given["preset"]
    try:
        config = TrainConfig.model_validate({**fields, "controls": controls})
    except ValidationError as error:
        from orchestrator.sweep.messages import explain

        text = explain(error, TrainConfig)
        # The error names fields; the user typed flags.
        named = re.sub(r"[a-z]\w*(\.[a-z]+)?", lambda m: flags.get(m[0], m[0]), text)
        raise UserError(named) from None
    return config, notes


def _one_interval(given: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Merge the original project's two evaluation intervals into the shorter one."""
    notes += [f"{flag(n)} 0: as if it were not given" for n in INTERVALS if given.get(n) == 0]
    kept = {n: v for n, v in given.items() if n not in INTERVALS or v != 0}
    both = [n for n in ("sample_interval", "validate_interval") if n in kept]
    if len({kept[n] for n in both}) > 1:
        first, last = sorted(both, key=lambda n: int(kept[n]))
        notes.append(f"{flag(first)} and {flag(last)}: both every {kept[first]} steps")
        del kept[last]
    return kept


def name_of(config: TrainConfig) -> str:
    """Return a trial's name: its controls, or baseline, then settings that are not defaults."""
    from orchestrator.sweep.trial_names import held_out_text
    from reports.names import target_text

    controls = config.controls.items()
    targets = ", ".join(f"{name}={target_text(c.model_dump())}" for name, c in controls)
    parts = [targets + held_out_text(config) if targets else "baseline"]
    parts += [
        f"{name}.weight={control.weight:g}"
        for name, control in controls
        if control.weight != Control.model_fields["weight"].default
    ]
    settings = config.model_dump(exclude_defaults=True, exclude=UNNAMED)
    if settings.get("generator_lr") == settings.get("discriminator_lr", ""):
        settings = {"lr": settings.pop("generator_lr")} | settings
        del settings["discriminator_lr"]
    parts += [f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in settings.items()]
    return ", ".join(parts)


@click.command(
    cls=_Command,
    params=[option for options in SECTIONS.values() for option in options],
    short_help="Train one trial without Ray.",
    context_settings={"max_content_width": 110},
)
@click.pass_obj
def train(
    locations: Locations,
    /,
    checkpoints_path: Path | None,
    name: str,
    gpu_ids: str | None,
    **given: Any,
) -> None:
    """Train one trial in this process, without Ray, with the flags of the original project.

    The same command goes on from the newest checkpoint after Ctrl-C, SIGTERM or a crash. With
    --penalty-from-step 0, or without control, it trains further when more epochs are asked for.
    MLFLOW_TRACKING_URI names the tracking store.

    Exits with 1 if the trial is not finished, 2 on bad input.
    """
    if locations.storage is not None:
        raise UserError("--storage (COLORSWEEP_STORAGE) goes with launch; train writes to a disk")
    require_name(name, "--name")
    config, notes = config_of({key: value for key, value in given.items() if value is not None})
    for line in notes:
        note(line)
    if gpu_ids is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu_ids  # before torch is imported below
    from orchestrator.driver import single_trial as training
    from orchestrator.sweep.trials import Trial
    from reports.store import default_uri

    runs = checkpoints_path or locations.runs
    trial = Trial(name_of(config), config.key(), config)
    if not training.train(name, trial, runs, default_uri(runs), Screen(quiet=is_quiet())):
        sys.exit(1)
