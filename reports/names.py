"""Names of trials for people: what differs among those that are shown. Pure functions.

The live view, ``status``, MLflow and the report all take them from ``shown_names``. The name that a
sweep's file gives a trial is stored with it, and finds it; but it tells nothing of what an edit of
the file, or another file, has changed.
"""

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from gan.config import TrainConfig
from gan.control import CONTROLS
from gan.plain_text import printable
from gan.presets import PRESETS

BASELINE, RECOLOURED = "baseline", "recoloured"
"""First parts of the names of trials without a control, and of recoloured ones."""
_LAST = "eval_targets"
"""Setting that is long and rarely the only difference; a name tells it only if it is."""
MOST_VALUES = 6
"""Maximum number of a setting's values that ``difference`` lists."""
_KEY = re.compile(r"(?:^|, )([a-z_][a-z_0-9.]*)=([a-z]*)")
"""Setting in a stored name, and its value if that is a word, such as a preset's."""


def shown_names(
    stored: Sequence[str], configs: Sequence[TrainConfig], groups: Sequence[Hashable] = ()
) -> list[str]:
    """Name each trial by its targets, and by the settings that differ among these trials.

    Settings that the files vary come first, for the trials whose files name them; then, for all
    trials, those that differ without a file's telling. Of several that differ together, such as
    ``lr_decay_steps`` with ``steps``, the first stands for all. No two trials have one name, unless
    they have one config.

    Args:
        stored: the trials' names in their sweeps' files.
        configs: configs of the same trials.
        groups: what each trial is of: its sweep, or those that left the sweep's file; by default
            all are of one.
    """
    if len(configs) < 2:
        return [*stored]
    presets = [dict(_KEY.findall(name)).get("preset") for name in stored]
    every = differing(configs)
    if len({*presets}) > 1:
        every = [{"preset": p} | each for p, each in zip(presets, every, strict=True)]
    own = [_keys_of(name, config) for name, config in zip(stored, configs, strict=True)]
    untold = _untold(every, own, groups or [0] * len(configs))
    told = [
        {key: value_text(each[key]) for key in (*these, *untold) if key in each}
        for each, these in zip(every, own, strict=True)
    ]
    names = [_name(config, texts) for config, texts in zip(configs, told, strict=True)]
    alike: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        alike.setdefault(name, []).append(i)
    for places in alike.values():
        for key in _varied([every[i] for i in places]):
            for i in places:
                told[i] |= {key: value_text(every[i].get(key), exactly=True)}
        for i in places:
            names[i] = _name(configs[i], told[i])
    return names


def differing(configs: Sequence[TrainConfig]) -> list[dict[str, Any]]:
    """Return for each trial the settings that differ among these trials, except the targets.

    A setting that a trial does not look at, such as a weight without control, is absent.
    """
    every = [settings_of(config) for config in configs]
    keys = _varied(every)
    return [{key: each[key] for key in keys if key in each} for each in every]


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """Return the settings that a trial looks at, except its targets, by their names in a file."""
    aside = {*config.unread, "controls", "recolour"}
    found = {key: getattr(config, key) for key in TrainConfig.model_fields if key not in aside}
    for name, control in config.controls.items():
        if not config.recolour:
            found[f"{name}.weight"] = control.weight
        if control.is_any:
            found[f"{name}.hold_out"] = control.hold_out
    return found


def difference(sweeps: Mapping[str, Sequence[TrainConfig]]) -> str:
    """Say in which targets and settings sweeps differ, given their trials; empty for one sweep."""
    if len(sweeps) < 2:
        return ""
    values: dict[str, dict[str, list[str]]] = {}
    for sweep, configs in sweeps.items():
        for config in configs:
            texts = {key: value_text(value) for key, value in settings_of(config).items()}
            for name, control in config.controls.items():
                texts[name] = target_text(control.model_dump())
            for key, text in texts.items():
                none = {each: list[str]() for each in sweeps if key in CONTROLS}
                found = values.setdefault(key, none).setdefault(sweep, [])
                found += [] if text in found else [text]
    parts = [
        f"{key} ({'; '.join(f'{_listed(found)} in {sweep}' for sweep, found in of.items())})"
        for key, of in values.items()
        if len({*map(frozenset, of.values())}) > 1
    ]
    return f"The sweeps differ in {', '.join(parts) or 'no setting'}."


def targets_text(config: TrainConfig) -> str:
    """Return the targets of all controls, empty without a control."""
    targets = {str(name): control for name, control in config.controls.items()}
    return ", ".join(
        f"{n}={target_text(targets[n].model_dump())}" for n in CONTROLS if n in targets
    )


def target_text(control: Mapping[str, Any]) -> str:
    """Return a control's target, or its range of targets, as text."""
    target = control.get("target")
    if isinstance(target, float):
        return f"{target:.12g}"
    if target not in (None, "any"):
        return str(target)
    ends = [control.get(end) for end in ("min", "max")]
    if ends == [None, None]:
        return "any"
    return "..".join("" if end is None else f"{end:.12g}" for end in ends)


def value_text(value: Any, *, exactly: bool = False) -> str:
    """Return a setting's value as text: with 12 digits, or exactly; empty for None."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return json.dumps(value).replace('"', "")
    if isinstance(value, float):
        return str(value) if exactly and value != float(f"{value:.12g}") else f"{value:.12g}"
    return printable(str(value))


def _name(config: TrainConfig, settings: Mapping[str, str]) -> str:
    kind = [RECOLOURED] if config.recolour else []
    kind += [targets_text(config) or BASELINE]
    return ", ".join([*kind, *(f"{key}={v}" for key, v in settings.items() if v not in ("", "[]"))])


def _keys_of(stored: str, config: TrainConfig) -> list[str]:
    """Return the settings that a trial's stored name tells."""
    found = [key for key, _ in _KEY.findall(stored)]
    weights = [f"{name}.weight" for name in config.controls]
    return [k for key in found for k in (weights if key == "penalty_weight" else [key])]


def _untold(
    every: Sequence[Mapping[str, Any]], own: Sequence[Sequence[str]], groups: Sequence[Hashable]
) -> list[str]:
    """Return the settings that differ, while the names of some group do not tell them apart."""
    named: dict[Hashable, set[str]] = {}
    for each, keys, of in zip(every, own, groups, strict=True):
        these = named.setdefault(of, set())
        these.update(keys)
        if preset := PRESETS.get(each.get("preset") or ""):
            these.update(preset)
            these.update(key for key in each if key.endswith(".weight"))
    for of, these in named.items():
        members = [each for each, group in zip(every, groups, strict=True) if group == of]
        these.intersection_update(_varied(members))
    found: list[str] = []
    for key in dict.fromkeys(key for each in every for key in each if key != _LAST):
        told = all(key in these for these in named.values())
        if not told and not any(_go_together(key, other, every) for other in found):
            found.append(key)
    return found


def _go_together(key: str, other: str, every: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a setting differs just where another one does."""
    pairs = {(repr(each[key]), repr(each.get(other))) for each in every if key in each}
    there = all(other in each for each in every if key in each)
    return there and len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _varied(every: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the settings that have several values, where there are any."""
    values: dict[str, set[str]] = {}
    for each in every:
        for key, value in each.items():
            values.setdefault(key, set()).add(repr(value))
    return [key for key, found in values.items() if len(found) > 1]


def _listed(values: Sequence[str]) -> str:
    if len(values) > MOST_VALUES:
        return f"{len(values)} values"
    return ", ".join(value or "unset" for value in values) or "none"
