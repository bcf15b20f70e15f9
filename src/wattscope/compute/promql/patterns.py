r"""Regular expressions that take time in proportion to the text, whatever the expression is.

Python's own can take exponential time, and a pattern comes from whoever may ask. Here a text is
matched by all states of the expression at once (Thompson, 1968, "Regular expression search
algorithm"). As in Prometheus, the whole text must match, and ``.`` is any sign but a new line.

What is read, of RE2's language: literals, ``.``, classes, ``\d \w \s`` and their opposites,
groups, ``|``, ``* + ? {n,m}`` (also lazy ones, which mean the same here), ``^`` and ``$`` at the
ends, and ``(?i)`` at the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from wattscope.compute.promql.faults import PromqlError

MAX_STATES = 10_000
"""Of one pattern, repetitions written out."""
_SPECIAL = set(r"\.+*?()|[]{}^$")
_CLASSES: dict[str, Callable[[str], bool]] = {
    "d": lambda sign: sign in "0123456789",
    "w": lambda sign: sign.isascii() and (sign.isalnum() or sign == "_"),
    "s": lambda sign: sign in "\t\n\f\r ",
}
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
Test = Callable[[str], bool]


@dataclass(slots=True)
class _State:
    """Goes to ``next`` without a sign, or where ``test`` fits a sign, with it."""

    test: Test | None = None
    next: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled expression."""

    states: tuple[_State, ...]
    start: int
    end: int
    literals: frozenset[str] | None
    """All texts that match, when the expression is nothing but a list of them."""

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        if self.literals is not None:
            return text in self.literals
        now = self._close([self.start])
        for sign in text:
            steps = (self.states[one] for one in now)
            now = self._close(
                target
                for state in steps
                if state.test is not None and state.test(sign)
                for target in state.next
            )
            if not now:
                return False
        return self.end in now

    def _close(self, states: Iterable[int]) -> set[int]:
        """These states and those that are reached from them without a sign."""
        found: set[int] = set()
        waiting = list(states)
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                if self.states[one].test is None:
                    waiting += self.states[one].next
        return found


def compile_pattern(text: str) -> Pattern:
    """Make a pattern ready.

    >>> compile_pattern("grid|roof").matches("roof"), compile_pattern("m.*").matches("am")
    (True, False)
    >>> compile_pattern("(?i)PLUG[1-3]{2}").matches("plug13")
    True

    Raises:
        PromqlError: It is no expression, or one that is not supported.
    """
    if not _SPECIAL - {"|"} & set(text):
        return Pattern((), 0, 0, frozenset(text.split("|")))
    return _Builder(text).build()


@dataclass(slots=True)
class _Builder:
    """Reads an expression by recursive descent."""

    text: str
    at: int = 0
    depth: int = 0
    ignores_case: bool = False
    states: list[_State] = field(default_factory=list)

    def build(self) -> Pattern:
        if self.text.startswith("(?i)"):
            self.at, self.ignores_case = 4, True
        start, end = self._read_choice()
        if self.at < len(self.text):
            raise self._refuse("a bracket that is closed but not opened")
        return Pattern(tuple(self.states), start, end, None)

    def _refuse(self, what: str) -> PromqlError:
        return PromqlError(f"the pattern {self.text[:60]!r} is not supported: {what}")

    def _add(self, test: Test | None = None) -> int:
        if len(self.states) >= MAX_STATES:
            raise self._refuse("it is too large")
        self.states.append(_State(test))
        return len(self.states) - 1

    def _link(self, source: int, target: int) -> None:
        self.states[source].next.append(target)

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _take(self) -> str:
        sign = self._peek()
        if not sign:
            raise self._refuse("it ends too early")
        self.at += 1
        return sign

    def _read_choice(self) -> tuple[int, int]:
        self.depth += 1
        if self.depth > 50:
            raise self._refuse("too many brackets")
        start, end = self._add(), self._add()
        while True:
            first, last = self._read_sequence()
            self._link(start, first)
            self._link(last, end)
            if self._peek() != "|":
                break
            self.at += 1
        self.depth -= 1
        return start, end

    def _read_sequence(self) -> tuple[int, int]:
        start = end = self._add()
        while self._peek() not in {"", "|", ")"}:
            first, last = self._read_repeated()
            self._link(end, first)
            end = last
        return start, end

    def _read_repeated(self) -> tuple[int, int]:
        began = self.at
        first, last = self._read_one()
        bounds = self._read_bounds()
        if bounds is None:
            return first, last
        start = end = self._add()
        low, high = bounds
        parts = [(first, last)]
        resume = self.at
        while len(parts) < max(low, 1 if high is None else high, 1):
            self.at = began
            parts.append(self._read_one())
        self.at = resume
        skip = self._add()
        for number, (head, tail) in enumerate(parts, 1):
            if number > low:
                self._link(end, skip)
            if high == 0:
                break
            self._link(end, head)
            end = tail
            if high is None and number == len(parts):
                self._link(tail, head)
        self._link(end, skip)
        return start, skip

    def _read_bounds(self) -> tuple[int, int | None] | None:
        """How often the last part may stand; None: once."""
        found: tuple[int, int | None] | None = None
        sign = self._peek()
        if sign and sign in "*+?":
            found = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
            self.at += 1
        elif sign == "{":
            close = self.text.find("}", self.at)
            low, comma, high = self.text[self.at + 1 : close].partition(",")
            if close < 0 or not low.isdecimal() or (high and not high.isdecimal()):
                raise self._refuse("a curly bracket without numbers; write \\{ for the sign itself")
            least = int(low[:5])
            found = least, (int(high[:5]) if high else None) if comma else least
            self.at = close + 1
        if found is not None and self._peek() == "?":
            self.at += 1
        if found is not None and self._peek() in {"*", "+", "?", "{"} - {""}:
            raise self._refuse("a repetition of a repetition")
        return found

    def _read_one(self) -> tuple[int, int]:
        sign = self._take()
        if sign == "(":
            return self._read_group()
        if sign in "*+?":
            raise self._refuse("nothing is there to repeat")
        if (sign == "^" and self.at == 1) or (sign == "$" and self.at == len(self.text)):
            lone = self._add()
            return lone, lone
        if sign in "^$":
            raise self._refuse(f"{sign} within it")
        if sign == ".":
            return self._test_sign(lambda one: one != "\n")
        if sign == "[":
            return self._test_sign(self._read_class())
        if sign == "\\":
            return self._test_sign(self._read_escape())
        return self._test_sign(self._same(sign))

    def _read_group(self) -> tuple[int, int]:
        if self._peek() == "?":
            if not self.text.startswith("?:", self.at):
                raise self._refuse("(? but for (?: and, at the beginning, (?i)")
            self.at += 2
        inner = self._read_choice()
        if self._peek() != ")":
            raise self._refuse("a bracket that is not closed")
        self.at += 1
        return inner

    def _test_sign(self, test: Test) -> tuple[int, int]:
        start, end = self._add(test), self._add()
        self._link(start, end)
        return start, end

    def _same(self, sign: str) -> Test:
        if self.ignores_case:
            folded = sign.casefold()
            return lambda one: one.casefold() == folded
        return lambda one: one == sign

    def _read_escape(self) -> Test:
        sign = self._take()
        if sign.lower() in _CLASSES:
            inside = _CLASSES[sign.lower()]
            return inside if sign.islower() else lambda one: not inside(one)
        return self._same(self._read_escaped(sign))

    def _read_escaped(self, sign: str) -> str:
        if sign in _ESCAPES:
            return _ESCAPES[sign]
        if sign.isalnum():
            raise self._refuse(f"\\{sign}")
        return sign

    def _read_class(self) -> Test:
        is_not = self._peek() == "^"
        self.at += is_not
        tests: list[Test] = []
        while self._peek() != "]" or not tests:
            tests.append(self._read_member())
        self.at += 1
        return lambda one: any(test(one) for test in tests) is not is_not

    def _read_member(self) -> Test:
        sign = self._take()
        if sign == "[" and self._peek() == ":":
            raise self._refuse("classes with a name")
        if sign == "\\":
            if self._peek().lower() in _CLASSES:
                return self._read_escape()
            sign = self._read_escaped(self._take())
        is_span = self._peek() == "-" and self.text[self.at + 1 : self.at + 2] not in {"]", ""}
        if not is_span:
            return self._same(sign)
        self.at += 1
        last = self._take()
        if last == "\\":
            last = self._read_escaped(self._take())
        if self.ignores_case:
            return lambda one: any(sign <= way <= last for way in (one.lower(), one.upper()))
        return lambda one: sign <= one <= last
