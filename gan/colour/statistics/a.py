"""Mean a* of CIELAB, green to red."""

from gan.colour.statistic import a_b, mean_of

STATISTIC = mean_of("a", lambda rgb: a_b(rgb)[0], "shift")
