"""Mean of the red channel of sRGB."""

from gan.colour.statistic import mean_of

STATISTIC = mean_of("red", lambda rgb: rgb[:, 0], "shift")
