"""READMEs: links resolve, commands exist, and the table of settings is that of the config."""

import re
import shlex
from pathlib import Path

import click
import pytest

from orchestrator.cli import main
from tests.support import settings_table

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*REPOSITORY.glob("*.md"), *(REPOSITORY / d / "README.md" for d in ("gan", "orchestrator"))]
    + [REPOSITORY / d / "README.md" for d in ("orchestrator/deploy", "reports", "sweeps", "tests")]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`|^    (\S[^\n]*)$", re.MULTILINE)


def anchors(file: Path) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_links_resolve(file: Path) -> None:
    for link in LINK.findall(file.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = file.parent / path if path else file
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_commands_and_their_options_exist(file: Path) -> None:
    for inline, line in CODE.findall(file.read_text(encoding="utf-8")):
        code = (inline or line).partition("  #")[0].rstrip("\\ ")
        if not code.startswith("colorsweep ") or file.name == "CHANGELOG.md":
            continue
        words = shlex.split(code)[1:]
        while words and words[0].startswith("--"):  # options of the group take a value
            words = words[2:]
        if not words or words[0] in ("COMMAND", "..."):
            continue
        command = main.commands.get(words[0])
        assert command is not None, code
        known = {o for p in command.params if isinstance(p, click.Option) for o in p.opts}
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert flags <= known | {"--help", "--FLAGS"}, code


def test_every_command_is_in_the_readme() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for name, command in main.commands.items():
        assert command.hidden or f"`colorsweep {name}" in text


def test_the_table_of_settings_is_that_of_the_config() -> None:
    text = settings_table.README.read_text(encoding="utf-8")
    assert settings_table.with_table(text) == text


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_bytes()) <= 8192


def test_files_of_the_product_that_documents_name_exist() -> None:
    for file in DOCUMENTS:
        if file.name == "CHANGELOG.md":
            continue
        for path in re.findall(
            r"`((?:gan|orchestrator|reports|tests)/[a-z0-9_/]+\.py)", file.read_text()
        ):
            assert (REPOSITORY / path).exists(), f"{file}: {path}"
