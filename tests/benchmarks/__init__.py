"""What deaths, orchestration and reports cost: ``make benchmark``."""

import os

from tests.support.ray_token import TOKEN

os.environ |= TOKEN  # before Ray is imported, which reads it then
