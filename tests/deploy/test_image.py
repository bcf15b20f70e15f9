"""The image is built of what is there, as a user that is not root, from hashed locks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy.command_lines import find_command_fault
from tests.deploy.image import find_copied, find_faults, parse

ROOT = Path(__file__).resolve().parents[2]
IMAGE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
FLINK = (ROOT / "deploy" / "flink" / "Dockerfile").read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8")
EXTRAS = ("postgres", "serial", "notify", "kafka", "redis")


def test_nothing_is_wrong_with_the_images() -> None:
    assert find_faults(IMAGE, ROOT) == []
    assert find_faults(FLINK, ROOT / "deploy" / "flink") == []


@pytest.mark.parametrize(
    ("said", "instead", "fault"),
    [
        ("3.13-slim-bookworm AS", "latest AS", "python:latest AS build: the base is not pinned"),
        ("python:3.13-slim-bookworm\n", "python\n", "python: the base is not pinned"),
        ("COPY ui ui", "COPY iu ui", "COPY iu: it is not there"),
        ("--from=build", "--from=built", "there is no such stage"),
        ("USER 10001:10001\n", "", "it runs as root"),
        ("USER 10001:10001\n", "USER 0\n", "it runs as 0"),
        ("WORKDIR /data\n", "RUN apt-get install gcc\n", "what builds belongs into another"),
    ],
)
def test_a_broken_copy_is_found(said: str, instead: str, fault: str) -> None:
    broken = IMAGE.replace(said, instead)
    assert broken != IMAGE, "the mutation changes nothing any more"
    faults = find_faults(broken, ROOT)
    assert any(fault in one for one in faults), faults


def read_last(word: str) -> str:
    """What the last such instruction of the image says."""
    return [one.rest for one in parse(IMAGE) if one.word == word][-1]


def test_the_image_starts_the_program_with_words_that_it_knows() -> None:
    assert json.loads(read_last("ENTRYPOINT")) == ["wattscope"]
    assert find_command_fault(json.loads(read_last("CMD"))) == ""
    assert "WATTSCOPE_DATA=/data" in read_last("ENV")
    assert read_last("VOLUME") == "/data"


@pytest.mark.integration
def test_its_health_check_is_python_and_asks_the_port_of_the_program() -> None:
    check = read_last("HEALTHCHECK").partition("CMD ")[2]
    program, _, code = json.loads(check)
    assert program == "python"
    compile(code, "HEALTHCHECK", "exec")
    assert "http://127.0.0.1:8000/healthz" in code
    # Nothing listens there: what it says then is a status that is not 0.
    closed = code.replace(":8000", ":1")
    assert subprocess.run(
        [sys.executable, "-c", closed], capture_output=True, check=False
    ).returncode


def list_sent(rules: str) -> set[str]:
    """Names of the folder that go to the engine, of those that a rule without stars names."""
    lines = [line for line in rules.splitlines() if line and not line.startswith("#")]
    names = {path.name for path in ROOT.iterdir()} | {".git", ".venv"}
    sent = set() if "*" in lines else names
    for line in lines:
        if line.startswith("!"):
            sent.add(line[1:])
        else:
            sent.discard(line)
    return sent


def test_the_engine_is_sent_what_is_copied_and_nothing_else() -> None:
    copied = {source.partition("/")[0] for source in find_copied(IMAGE)}
    assert list_sent(IGNORED) == copied
    assert {".git", ".venv"} & list_sent(IGNORED) == set()
    # What was built here is of another machine.
    assert "src/wattscope/web/static" in IGNORED.splitlines()
    assert "ui/node_modules" in IGNORED.splitlines()
    # A list that lets everything through is found.
    assert ".git" in list_sent(IGNORED.replace("*\n", "", 1).replace(".git\n", ""))


def read_pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert [one for one in entries if "==" not in one or "--hash=sha256:" not in one] == []
    return dict(re.findall(r"^([\w.-]+)==([^ ;\\]+)", text, re.MULTILINE))


def test_the_image_holds_what_was_tested() -> None:
    pins, core, test = (read_pins(name) for name in ("image", "core", "test"))
    assert core.items() <= pins.items()
    assert pins.items() <= (core | test).items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    names = [re.split(r"[<>=!~;\[ ]", line)[0] for line in wanted]
    assert [name for name in names if name not in pins] == []
