"""Writes ``docs/settings.md`` from the settings' own fields, defaults and descriptions.

Run it after a change of the settings: ``./.venv/bin/python -m tests.settings_reference``.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "src" / "wattscope" / "settings"
SOURCES = tuple(FOLDER / name for name in ("tables.py", "keeping.py", "outputs.py"))
TARGET = ROOT / "docs" / "settings.md"

HEAD = """\
# Settings

All that `wattscope.toml` may say. What is left out keeps its default; an unknown key is an error
that names the nearest valid one, and all faults are listed at once. The recipes in
`src/wattscope/recipes/` are settings files to start from. This page is made from
`src/wattscope/settings/tables.py`, and `keeping.py` and `outputs.py` beside it.
"""


def describe_settings() -> str:
    """The whole page."""
    classes = [node for node in list_tables() if node.name.endswith("Settings")]
    tables = [_describe_table(node) for node in classes if node.name != "Settings"]
    whole = [_describe_table(node) for node in classes if node.name == "Settings"]
    return "\n".join([HEAD, *whole, *tables])


def list_tables() -> list[ast.ClassDef]:
    """The classes of all tables, in the order of their files."""
    trees = [ast.parse(source.read_text(encoding="utf-8")) for source in SOURCES]
    return [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]


def list_fields(node: ast.ClassDef) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and description of each field; an empty text for what is not there."""
    for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        description = ""
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            description = re.sub(r"\s+", " ", str(following.value.value)).strip()
            description = description.replace("``", "`")
        default = ast.unparse(statement.value) if statement.value else ""
        yield statement.target.id, ast.unparse(statement.annotation), default, description


def _describe_table(node: ast.ClassDef) -> str:
    documented = ast.get_docstring(node) or node.name
    title, _, purpose = documented.replace("``", "`").partition(": ")
    lines = [f"## {title.rstrip('.')}", ""]
    if purpose:
        lines += [purpose[0].upper() + purpose[1:], ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    # A key whose type is a table of its own is described there.
    lines += [
        f"| `{name}` | {_name_type(kind)} | {_name_default(default)} | {description} |"
        for name, kind, default, description in list_fields(node)
        if not re.search(r"Settings\b", kind)
    ]
    return "\n".join([*lines, ""])


def _name_type(kind: str) -> str:
    words = {"str": "text", "int": "number", "float": "number", "bool": "true or false"}
    kind = kind.replace(" | None", "")
    of_many = re.match(r"(?:list|tuple)\[(\w+)", kind)
    if of_many:
        return f"list of {words.get(of_many[1], of_many[1])}"
    return words.get(kind, "table")


def _name_default(default: str) -> str:
    """The default as TOML would write it."""
    if not default:
        return "required"
    factory = re.search(r"default_factory=(?:lambda: )?(.*)\)$", default)
    default = factory[1] if factory else default
    if default in {"None", "list", "dict", "tuple", "()", "[]", "{}"}:
        return ""
    value = ast.literal_eval(default)
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


if __name__ == "__main__":
    TARGET.write_text(describe_settings(), encoding="utf-8")
