"""What can be wrong with a Dockerfile, as far as it shows without a container engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_PINNED = re.compile(r"[\w./-]+:\d+\.\d+[\w.-]*")
_TOOLS = re.compile(r"\b(apt-get|apk|pip|gcc|make|npm|curl|wget)\b")
"""What builds or fetches, and is not wanted in the last stage."""


class Instruction(NamedTuple):
    """One instruction of a Dockerfile."""

    word: str
    """In capitals, such as COPY."""
    rest: str


def parse(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile, lines joined, comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    parted = (line.partition(" ") for line in joined.splitlines())
    return [Instruction(word.upper(), rest.strip()) for word, _, rest in parted]


def find_faults(text: str, context: Path) -> list[str]:
    """Everything that is wrong with a Dockerfile.

    Args:
        text: Of the file.
        context: The folder that COPY copies from.
    """
    instructions = parse(text)
    starts = [at for at, one in enumerate(instructions) if one.word == "FROM"]
    faults = [
        f"{instructions[at].rest}: the base is not pinned to a version"
        for at in starts
        if not _PINNED.fullmatch(instructions[at].rest.split()[0])
    ]
    names = {instructions[at].rest.split()[-1] for at in starts}
    faults += _find_copy_faults(instructions, names, context)
    faults += _find_end_faults(instructions[starts[-1] :])
    return faults


def find_copied(text: str) -> set[str]:
    """Paths of the context that are copied."""
    copies = [one.rest.split() for one in parse(text) if one.word == "COPY"]
    return {source for words in copies if "--from" not in words[0] for source in words[:-1]}


def _find_copy_faults(
    instructions: Sequence[Instruction], stages: set[str], context: Path
) -> Iterator[str]:
    for word, rest in instructions:
        if word != "COPY":
            continue
        origin = re.match(r"--from=(\S+)", rest)
        if origin is not None:
            if origin[1] not in stages:
                yield f"COPY {rest}: there is no such stage"
            continue
        yield from (
            f"COPY {source}: it is not there"
            for source in rest.split()[:-1]
            if not (context / source).exists()
        )


def _find_end_faults(stage: Sequence[Instruction]) -> Iterator[str]:
    users = [one.rest for one in stage if one.word == "USER"]
    uid = users[-1].partition(":")[0] if users else "0"
    if not uid.isdigit() or int(uid) == 0:
        yield f"it runs as {users[-1] if users else 'root'}; give a number that is not 0"
    yield from (
        f"RUN {one.rest}: what builds belongs into another stage"
        for one in stage
        if one.word == "RUN" and _TOOLS.search(one.rest)
    )
