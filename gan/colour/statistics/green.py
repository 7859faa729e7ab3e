"""Mean of the green channel of sRGB."""

from gan.colour.statistic import mean_of

STATISTIC = mean_of("green", lambda rgb: rgb[:, 1], "shift")
