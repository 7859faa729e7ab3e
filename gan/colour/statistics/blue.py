"""Mean of the blue channel of sRGB."""

from gan.colour.statistic import mean_of

STATISTIC = mean_of("blue", lambda rgb: rgb[:, 2], "shift")
