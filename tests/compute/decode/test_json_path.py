from __future__ import annotations

import pytest

from wattscope.compute.decode.json_path import ABSENT, Where, find, parse_path

DOCUMENT = {
    "a": {"b": 1, "none": None},
    "list": [{"type": "x", "n": "1", "v": 10}, 5, {"type": "y", "n": "1", "v": 20}],
    "rows": [[1, 2], [3, 4]],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b", 1),
        ("a.none", None),
        ("rows[1][0]", 3),
        ("list[0].v", 10),
        ("list[type=y].v", 20),
        ("list[n=1].v", 10),
        ("list[n=1,type=y].v", 20),
        ("a.c", ABSENT),
        ("a.b.c", ABSENT),
        ("a[0]", ABSENT),
        ("a[type=x]", ABSENT),
        ("list[9]", ABSENT),
        ("list[type=z].v", ABSENT),
        ("list.v", ABSENT),
        ("rows[0].x", ABSENT),
    ],
)
def test_path_finds_what_the_document_has(path: str, value: object) -> None:
    steps = parse_path(path)
    assert steps is not None
    assert find(DOCUMENT, steps) == value


def test_path_is_read_into_its_steps() -> None:
    assert parse_path("a b.c-d[0][k=v,x=y].°C") == (
        "a b",
        "c-d",
        0,
        Where((("k", "v"), ("x", "y"))),
        "°C",
    )


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "[0]", "a[", "a]", "a[]", "a[-1]", "a[x]", "a[=v]", "a[0]b"],
)
def test_text_that_is_no_path_is_refused(text: str) -> None:
    assert parse_path(text) is None
