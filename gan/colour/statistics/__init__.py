"""Colour statistics that can be steered, a module each, by the names of ``gan.control``.

Value, brightness and lightness are not controls: the generator takes L as input and keeps it.
"""

from importlib import import_module

from gan.colour.statistic import Statistic
from gan.control import CONTROLS, ControlName

STATISTICS: dict[ControlName, Statistic] = {
    name: import_module(f"{__name__}.{name}").STATISTIC for name in CONTROLS
}
