"""Reads JSON and bare numbers from devices without believing them.

It promises an answer for every byte string within a bounded time: the value, or a ``Rejection``
with its code. It never raises. It refuses what lenient parsers let pass: NaN and Infinity,
doubled keys, integers that a float cannot hold, numbers hidden in texts, names that no screen
or file can bear, other encodings than UTF-8.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NoReturn

from wattscope.core.findings import ReasonCode, Rejection

MAX_BYTES: Final = 64 * 1024
"""Longest payload that is parsed [bytes]."""
MAX_DEPTH: Final = 32
MAX_KEYS: Final = 1000
MAX_NAME: Final = 256
"""Longest key [characters]."""
MAX_INTEGER: Final = 2**53
"""Beyond this magnitude, a float no longer holds every integer (IEEE 754 binary64)."""
_MAX_DIGITS: Final = 20
_BOM: Final = b"\xef\xbb\xbf"

# A quoted text, closed or not, or one bracket; possessive, so that no input makes it go back.
_TEXT_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_CONTROL_OR_SURROGATE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_BARE_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
_NOT_FINITE_WORD = re.compile(rb"[+-]?(nan|inf|infinity)", re.IGNORECASE)


class _RefusedError(ValueError):
    """Carries a rejection out of the hooks of the JSON scanner; never leaves this module."""

    def __init__(self, code: ReasonCode, detail: str) -> None:
        super().__init__(detail)
        self.rejection = Rejection(code, detail)


def parse_object(payload: bytes, *, max_integer: int = MAX_INTEGER) -> dict[str, Any] | Rejection:
    """The one JSON object that the payload is, checked through and through.

    Args:
        payload: What came.
        max_integer: Largest magnitude of an integer; more than 2**53 only for time stamps.
    """
    document = parse_checked(payload, max_integer=max_integer)
    if isinstance(document, dict | Rejection):
        return document
    kind = type(document).__name__
    return Rejection(ReasonCode.WRONG_TYPE, f"expected a JSON object, got {kind}")


def parse_checked(payload: bytes, *, max_integer: int = MAX_INTEGER) -> object:
    """The JSON value that the payload is, or a ``Rejection``; names and numbers are checked."""
    decoder = _STRICT if max_integer == MAX_INTEGER else _build_strict(max_integer)
    document = _parse(payload, decoder)
    if isinstance(document, Rejection):
        return document
    if payload.count(b":") > MAX_KEYS and _count_keys(document) > MAX_KEYS:
        return Rejection(ReasonCode.TOO_BIG, f"more than {MAX_KEYS} keys")
    if _SURROGATE_ESCAPE.search(payload) and any(map(_is_broken, _list_texts(document))):
        return Rejection(ReasonCode.BAD_NAME, "a text holds half a surrogate pair")
    return document


def parse_json(payload: bytes) -> object:
    """The JSON value that the payload is by RFC 8259 alone, or a ``Rejection``.

    Doubled keys (the last wins), odd names and large integers pass here; see ``parse_checked``.
    """
    return _parse(payload, _GRAMMAR)


def check_size(payload: bytes) -> Rejection | None:
    """A rejection for a payload that is empty or too long to be looked at."""
    if not payload:
        return Rejection(ReasonCode.NO_VALUE, "the payload is empty")
    if len(payload) > MAX_BYTES:
        return Rejection(ReasonCode.TOO_BIG, f"{len(payload)} bytes; at most {MAX_BYTES}")
    return None


def read_number(value: object, name: str) -> float | Rejection | None:
    """A JSON value as a number; None is null, which means a gap.

    Args:
        value: What the JSON parser gave.
        name: What the value is called, for the rejection.
    """
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, bool):
        return Rejection(ReasonCode.WRONG_TYPE, f"{name} is true or false, not a number")
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            return Rejection(ReasonCode.RANGE, f"{name} is an integer beyond 2^53")
        return float(value)
    if isinstance(value, str):
        return Rejection(ReasonCode.NOT_NUMBER, f"{name} is the text {excerpt(value)}")
    return Rejection(ReasonCode.WRONG_TYPE, f"{name} is a {type(value).__name__}, not a number")


def read_bare_number(payload: bytes) -> float | Rejection:
    """The number that a payload without JSON is, such as ``1234`` or ``-0.5``.

    ASCII digits only: no spaces, no underscores, no plus sign, no hexadecimal.
    """
    refusal = check_size(payload)
    if refusal is not None:
        return refusal
    match = _BARE_NUMBER.fullmatch(payload)
    if match is None:
        return _refuse_bare(payload)
    is_integer = match[1] is None and match[2] is None
    if is_integer and (len(payload) > _MAX_DIGITS or abs(int(payload)) > MAX_INTEGER):
        return Rejection(ReasonCode.RANGE, "an integer beyond 2^53")
    number = float(payload)
    if number - number != 0.0:
        return Rejection(ReasonCode.NOT_FINITE, f"{excerpt(payload)} is too large for a number")
    return number


def excerpt(text: str | bytes) -> str:
    """The beginning of a text from outside, safe to print on one line."""
    return ascii(text[:40]) + ("…" if len(text) > 40 else "")


def _refuse_bare(payload: bytes) -> Rejection:
    if _NOT_FINITE_WORD.fullmatch(payload):
        return Rejection(ReasonCode.NOT_FINITE, f"{excerpt(payload)} is not a finite number")
    return Rejection(ReasonCode.NOT_NUMBER, f"{excerpt(payload)} is not a decimal number")


def _parse(payload: bytes, decoder: json.JSONDecoder) -> object:
    """The document, or why there is none."""
    refusal = check_size(payload) or _check_beginning(payload)
    if refusal is not None:
        return refusal
    try:
        document: object = decoder.decode(payload.decode("utf-8"))
    except _RefusedError as refused:
        return refused.rejection
    except UnicodeDecodeError as error:
        return Rejection(ReasonCode.ENCODING, f"not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        return Rejection(
            ReasonCode.JSON_SYNTAX, f"{error.msg} at character {error.pos} of {excerpt(payload)}"
        )
    return document


def _check_beginning(payload: bytes) -> Rejection | None:
    """What can be refused before a parser has to go through it."""
    if payload.startswith(_BOM):
        return Rejection(ReasonCode.ENCODING, "begins with a byte order mark")
    if _is_too_deep(payload):
        return Rejection(ReasonCode.TOO_BIG, f"nested deeper than {MAX_DEPTH}")
    return None


def _is_too_deep(payload: bytes) -> bool:
    """Whether brackets nest deeper than allowed; looks twice only at payloads with many."""
    if payload.count(b"[") + payload.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _TEXT_OR_BRACKET.finditer(payload):
        if match[0] in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif match[0] in b"]}":
            depth -= 1
    return False


def _refuse_constant(text: str) -> NoReturn:
    raise _RefusedError(ReasonCode.NOT_FINITE, f"{text} is not a finite number")


def _read_float(text: str) -> float:
    number = float(text)
    if number - number != 0.0:
        raise _RefusedError(ReasonCode.NOT_FINITE, f"{excerpt(text)} is too large for a number")
    return number


def _read_any_integer(text: str) -> int | float:
    """An integer; above the length that Python converts, the float of the same size."""
    return int(text) if len(text) <= _MAX_DIGITS else float(text)


def _read_integer(max_integer: int, text: str) -> int:
    if len(text) > _MAX_DIGITS or abs(number := int(text)) > max_integer:
        raise _RefusedError(ReasonCode.RANGE, f"{excerpt(text)} is an integer beyond 2^53")
    return number


def _read_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are single, short and printable."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError(ReasonCode.DUPLICATE_KEY, _name_doubled_key(pairs))
    for key in members:
        if len(key) > MAX_NAME:
            raise _RefusedError(ReasonCode.BAD_NAME, f"a key has {len(key)} characters")
        # isprintable() is quick, and stricter than wanted only for unusual spaces.
        if not key.isprintable() and _CONTROL_OR_SURROGATE.search(key):
            raise _RefusedError(ReasonCode.BAD_NAME, f"key {excerpt(key)} is not printable")
    return members


def _name_doubled_key(pairs: list[tuple[str, Any]]) -> str:
    [(key, count)] = Counter(key for key, _ in pairs).most_common(1)
    return f"key {excerpt(key)} comes {count} times"


def _count_keys(document: object) -> int:
    if isinstance(document, dict):
        return len(document) + sum(map(_count_keys, document.values()))
    if isinstance(document, list):
        return sum(map(_count_keys, document))
    return 0


def _list_texts(document: object) -> Iterator[str]:
    """All texts among the values; keys are checked when they are read."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        for value in document.values():
            yield from _list_texts(value)
    elif isinstance(document, list):
        for value in document:
            yield from _list_texts(value)


def _is_broken(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _build_strict(max_integer: int) -> json.JSONDecoder:
    read_integer: Callable[[str], int] = partial(_read_integer, max_integer)
    return json.JSONDecoder(
        object_pairs_hook=_read_pairs,
        parse_int=read_integer,
        parse_float=_read_float,
        parse_constant=_refuse_constant,
    )


_STRICT: Final = _build_strict(MAX_INTEGER)
_GRAMMAR: Final = json.JSONDecoder(
    parse_int=_read_any_integer, parse_float=float, parse_constant=_refuse_constant
)
