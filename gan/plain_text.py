"""Text that may leave the program: one line, without control characters."""

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of control characters, bidirectional overrides, undecodable bytes, breaks."""
_JOINERS = "\u200c\u200d"
"""Parts of words in some scripts, and of emoji."""


def printable(text: str) -> str:
    r"""Escape what would act on a terminal instead of being shown: ``\x1b``, ``\n``, ``\u202e``.

    Bytes of file names that are not UTF-8 (surrogate escapes) become ``\xNN``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if _is_hidden(c) else c for c in text)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN and character not in _JOINERS


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
