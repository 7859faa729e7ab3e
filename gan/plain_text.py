"""Text that may leave the program: one line, no control characters, no credentials, no formulas."""

import difflib
import os
import re
import shlex
import textwrap
import unicodedata
from collections.abc import Iterable

MANY = 12
"""Number of names above which a message does not list them all if it can name a similar one."""
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of control characters, bidirectional overrides, undecodable bytes, breaks."""
_JOINERS = "\u200c\u200d"
"""Parts of words in some scripts, and of emoji."""

_USER = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{0,40}://)(?=[^/\s])"
    # After a colon that precedes no port follows a password, which ends at an @, even after spaces.
    r"(?P<user>(?:[^\s/:[]*:(?!\d+(?:[^\w@]|$))[^@\n]*@)?(?:\S*@)?)",
    re.IGNORECASE,
)
_SECRET = re.compile(
    # A name such as password, PWD, sslpassword, X-Amz-Security-Token, before = or in a repr : '
    # Its end is bounded, and not tried again shorter: 8,000 letters took 40 s.
    r"(?P<name>(?:passw(?:or)?d|passphrase|pwd|secret|token|credential|signature|api_?key"
    r"|access_?key|private_?key)[\w.-]{0,100}+|(?<![^\W_])(?:pass|sig)"
    r")(?P<equals>['\"]?\s?(?:=|%3D)\s?|['\"]?\s?:\s?(?=['\"]))"
    # Its value: quoted, in braces (ODBC), or up to the next name.
    r"(?:'(?:[^'\\\n]|\\.|'')*'|\"(?:[^\"\\\n]|\\.)*\""
    r"|\{(?:[^}\n]|\}\}){0,200}\}|%7B(?:(?!%7D)[^\s]|%7D%7D)*%7D"
    r"|(?:(?![&;]\s?[\w.-]+\s?=|(?:%26|%3B)(?:\w|[.+-]|%20)+?%3D)\S)+)",
    re.IGNORECASE,
)


def there_are(given: str, known: Iterable[str], what: str = "there are") -> str:
    """Say ``what`` there is instead of an unknown name: the most similar, if one is, and all.

    Of many only the most similar is named.
    """
    names = list(known)
    every = ", ".join(names) or "none"
    if not (near := difflib.get_close_matches(given, names, n=1)):
        return f"; {what}: {every}"
    meant = f"; did you mean {near[0]!r}?"
    return meant if len(names) > MANY else f"{meant} {what.capitalize()}: {every}"


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


def masked(text: str) -> str:
    """Replace credentials with ``***``: in a URI, a word of a command, or any text that has URIs.

    Everything before the last @ counts as the user of a URI, since passwords are often typed with
    an unescaped / or @. In the prefix of a bucket (``s3://``, ``gs://``) an @ is left alone.
    """
    return _USER.sub(_without_user, _SECRET.sub(r"\g<name>\g<equals>***", text))


def _without_user(match: re.Match[str]) -> str:
    return f"{match['scheme']}***@" if _has_user(match) else match[0]


def _has_user(match: re.Match[str]) -> bool:
    user = match["user"]
    in_prefix = re.match(r"[^:@]*/", user) and match["scheme"].lower() in ("s3://", "gs://")
    return bool(user) and not in_prefix


def is_ambiguous(uri: str) -> bool:
    """Whether a URI's credentials have characters at which programs disagree where they end."""
    match = _USER.match(uri)
    return bool(match and _has_user(match) and re.search(r"[/@?#\s]", match["user"][:-1]))


_NO_ANSWER = ("refused", "timed out", "resolve")
"""Words of a cause for which a request was given up before anything answered."""
AMBIGUOUS = "in its user and password write / as %2F, @ as %40, ? as %3F, # as %23"
"""Advice for such a URI."""


def plain(text: str) -> str:
    """Return text as one line that can be shown and kept anywhere: ``masked`` and ``printable``."""
    return printable(masked(text))


def cut(text: str, most: int) -> str:
    """Shorten a text to about ``most`` characters by leaving out its middle."""
    return text if len(text) <= most else f"{text[: 2 * most // 3]} ... {text[-most // 3 :]}"


def first_line(error: BaseException, most: int = 120) -> str:
    """Return the first line of an error, plain, in at most ``most`` characters."""
    text = str(error)
    if "Max retries exceeded" in text:  # of urllib3, which names the cause last, as a repr
        cause = text.rpartition("Caused by ")[2]
        if any(word in cause for word in _NO_ANSWER):
            return "nothing answers there"
        quoted = re.search(r"['\"](.+)['\"]", cause)
        text = quoted[1] if quoted else cause
    line = (text.splitlines() or [type(error).__name__])[0]
    return textwrap.shorten(plain(line), most, placeholder=" ...")


def command_line(words: Iterable[str]) -> str:
    """Quote words for a shell, in one line: words with control characters as ``$'...'``."""
    return " ".join(
        shlex.quote(word) if printable(word) == word else f"$'{_ansi_c(word)}'" for word in words
    )


def _ansi_c(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return "".join(
        "".join(f"\\x{byte:02x}" for byte in os.fsencode(c)) if _is_hidden(c) else c
        for c in escaped
    )


def no_formula(text: str) -> str:
    """Return text for a cell of CSV, which spreadsheets are kept from running as a formula."""
    text = printable(text)
    return f"'{text}" if text.startswith(tuple("=+-@＝＋－＠")) else text
