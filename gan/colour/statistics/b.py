"""Mean b* of CIELAB, blue to yellow."""

from gan.colour.statistic import a_b, mean_of

STATISTIC = mean_of("b", lambda rgb: a_b(rgb)[1], "shift")
