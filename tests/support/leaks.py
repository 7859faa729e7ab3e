"""Secrets that nothing may show or keep."""

import re
from urllib.parse import quote


def assert_kept(secret: str, *texts: str) -> None:
    """No part of a secret is in the texts."""
    for text in texts:
        for part in {secret, quote(secret, safe=""), *re.findall(r"\w{3,}", secret)}:
            assert part not in text
