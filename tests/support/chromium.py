"""Debian's Chromium, and the screens that pages are looked at on."""

import shutil

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDE, NARROW = (1280, 800), (390, 844)
