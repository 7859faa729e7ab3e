"""Text that leaves the program: without secrets, control characters and formulas."""

import os
import subprocess
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from urllib.parse import quote

import pytest

from gan.plain_text import (
    command_line,
    first_line,
    is_ambiguous,
    masked,
    no_formula,
    plain,
    printable,
)

PASSWORDS = [
    *("hunter2", "p/w", "p@w", "a:b", "5000", "12/34", "p w", "p?q#r", "p%2Fw", "'q\"", "p&q;r"),
    *("AbC/+dEf==", "p)w,x", "***"),
]
USERS = {
    "s3://KEY:{}@bucket/prefix": "s3://***@bucket/prefix",
    "gs://KEY:{}@bucket": "gs://***@bucket",
    "https://user:{}@host": "https://***@host",
    "https://user:{}@host:5000/path?a=b": "https://***@host:5000/path?a=b",
    "HTTP://:{}@host": "HTTP://***@host",
    "postgresql+psycopg2://user:{}@host/db": "postgresql+psycopg2://***@host/db",
    "mysql://me@corp:{}@host/db": "mysql://***@host/db",
}
TOKENS = {
    "s3://{}@bucket": "s3://***@bucket",
    "https://{}@host": "https://***@host",
    "http://{}@[::1]:80/": "http://***@[::1]:80/",
}
QUERIES = {
    "postgresql:///db?user=u&password={}": "postgresql:///db?user=u&password=***",
    "mysql://h/d?sslpassword={}&a=b": "mysql://h/d?sslpassword=***&a=b",
    "https://host/?X-Amz-Security-Token={}": "https://host/?X-Amz-Security-Token=***",
    "https://host/a?sig={}&se=2030": "https://host/a?sig=***&se=2030",
    "m:///?odbc_connect=DRIVER=x;PWD={};Server=h": "m:///?odbc_connect=DRIVER=x;PWD=***;Server=h",
    "m:///?odbc_connect=pwd={{{}}};Server=h": "m:///?odbc_connect=pwd=***;Server=h",
}
ENCODED = {
    "m:///?odbc_connect=UID%3Du%3BPWD%3D{}%3BServer%3Dh": (
        "m:///?odbc_connect=UID%3Du%3BPWD%3D***%3BServer%3Dh"
    ),
    "m:///?odbc_connect=PWD%3D%7B{}%7D%3BS%3Dh": "m:///?odbc_connect=PWD%3D***%3BS%3Dh",
}


def uris() -> Iterator[tuple[str, str]]:
    """URIs of secrets of all kinds, and what may be shown of them."""
    for forms, secrets in (
        (USERS, PASSWORDS),
        (TOKENS, ("ghp_t0ken", "t0k+en=")),
        ({"https://{}@host": "https://***@host"}, ("to/ken", "to@ken", "t/o@k/en")),
        (QUERIES, [p for p in PASSWORDS if " " not in p]),  # a query with a space is none
        (ENCODED, [quote(p, safe="") for p in PASSWORDS]),
    ):
        for (form, shown), secret in product(forms.items(), secrets):
            yield form.format(secret), shown


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "--storage={}",
        "no store at {} (nothing answers); valid: http(s)://HOST:PORT",
        "(psycopg.OperationalError) connecting to {} failed, ask me@example.org",
    ],
)
def test_the_secret_of_a_uri_is_masked_in_any_text(text: str) -> None:
    for uri, shown in uris():
        assert masked(text.format(uri)) == text.format(shown), uri
        assert masked(text.format(shown)) == text.format(shown)


@pytest.mark.parametrize("text", ["Cannot parse URI: '{}'", 'invalid dsn "{}" (line 1)', "<{}>"])
def test_no_secret_is_left_where_a_uri_is_quoted(text: str) -> None:
    for uri, shown in uris():
        scheme, _, rest = shown.partition("***")
        assert masked(text.format(uri)).startswith(text.partition("{}")[0] + scheme + "***")
        assert len(masked(text.format(uri))) <= len(text.format(scheme + "***" + rest))


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a prefix?region=us-east-1&scheme=http",
        "s3://bucket/me@example.org/runs",
        "sqlite:////home/me@corp/runs/mlflow.db",
        "http://localhost:5000 is away; ask me@example.org",
        "http://localhost:5000",
        "https://[::1]:5000/path",
        "file:///a@b",
        "hue=0.6, seed=3; password of nobody",
        "mail me@example.org: ok",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


def test_errors_of_drivers_that_quote_their_arguments_are_masked() -> None:
    for text in ("host=h password='a b' dbname=d", "{'user': 'u', 'password': 'a b'}"):
        shown = masked(text)
        assert "a b" not in shown
        assert shown != text


@pytest.mark.parametrize(
    "part", ["token-", "secret.password.", "token", "token={ ", "a://", "pass"]
)
def test_long_texts_are_masked_soon(part: str) -> None:
    text = (part * 8000)[:8000]
    began = time.monotonic()
    masked(f"{text} password=hunter2")
    assert time.monotonic() - began < 5, "some took 40 s"


def test_a_secret_after_a_long_name_is_masked() -> None:
    for name in ("x" * 1000 + "password", "token-" * 1000 + "id", "api_key_" + "x" * 90):
        assert masked(f"{name}=hunter2 a") == f"{name}=*** a"


def test_only_credentials_that_programs_read_differently_are_ambiguous() -> None:
    assert all(is_ambiguous(f"https://user:{p}@host") for p in ("p/w", "p@w", "p?w", "p#w", "p w"))
    for uri in ("https://u:p%2Fw@host", "https://token@host", "http://h:5000", "s3://b/a@b/c"):
        assert not is_ambiguous(uri)


HOSTILE = {
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x1b[2J": r"\x1b[2J",
    "\x9b2J": r"\x9b2J",
    "a\nError: b": r"a\nError: b",
    "a\rb\tc\x7f\x00": r"a\rb\tc\x7f\x00",
    "\u202egnp.exe": r"\u202egnp.exe",
    "\u2066x\u2069\u200e\u061c": r"\u2066x\u2069\u200e\u061c",
    "a\u2028b": r"a\u2028b",
    "\U000e0041": r"\U000e0041",
    os.fsdecode(b"caf\xe9"): r"caf\xe9",
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items())
def test_what_acts_on_a_terminal_is_shown_instead(text: str, shown: str) -> None:
    assert printable(text) == plain(text) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize(
    "text", ["Ünïcode 写真 عربى", "👩\u200d🎨", "می\u200cخواهم", "[bold] :bomb: \\x"]
)
def test_names_in_any_script_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("word", [*HOSTILE, "it's", "a b", "\\n'\n", "\x01f", "```\n```", ""])
def test_a_shell_reads_a_command_line_back_as_it_was(word: str, tmp_path: Path) -> None:
    word = word.replace("\x00", "")  # which no argument can have
    line = command_line(["printf", "%s", word, "--"])
    assert printable(line) == line
    read = subprocess.run(["bash", "-c", line], stdout=subprocess.PIPE, check=True).stdout
    assert read == os.fsencode(word) + b"--"


CONNECTION = "HTTPSConnection(host='h', port=443)"
CAUSES = {
    f'NewConnectionError("{CONNECTION}: [Errno 111] Connection refused")': "nothing answers there",
    f'ConnectTimeoutError("{CONNECTION}: timed out")': "nothing answers there",
    f"NameResolutionError(\"{CONNECTION}: Failed to resolve 'h'\")": "nothing answers there",
    f'NewConnectionError("{CONNECTION}: [Errno 101] Network is unreachable")': (
        f"{CONNECTION}: [Errno 101] Network is unreachable"
    ),
    "SSLError(SSLCertVerificationError(1, '[SSL] self-signed certificate (_ssl.c:1006)'))": (
        "[SSL] self-signed certificate (_ssl.c:1006)"
    ),
    "ResponseError('too many 500 error responses')": "too many 500 error responses",
}


@pytest.mark.parametrize(("cause", "line"), CAUSES.items())
def test_a_request_that_was_given_up_is_told_by_its_cause(cause: str, line: str) -> None:
    url = "HTTPSConnectionPool(host='h', port=443): Max retries exceeded with url: /refused"
    error = ConnectionError(f"{url} (Caused by {cause})")
    assert first_line(error) == line


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "\t=", "\r="])
def test_a_cell_is_no_formula(start: str) -> None:
    cell = no_formula(f'{start}HYPERLINK("http://x")')
    assert cell[0] not in "=+-@＝\t\r"
    assert cell.endswith('HYPERLINK("http://x")')


def test_other_cells_stay_as_they_are() -> None:
    assert [no_formula(text) for text in ("hue=0.6", "", "a-b", "'x")] == [
        "hue=0.6",
        "",
        "a-b",
        "'x",
    ]
