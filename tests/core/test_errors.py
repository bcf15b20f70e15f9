from __future__ import annotations

import pytest

from wattscope.core import errors
from wattscope.core.errors import PermanentError, SettingsError, TransientError, WattscopeError

TREE = [
    one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, WattscopeError)
]


@pytest.mark.parametrize("kind", TREE)
def test_error_of_the_tree_has_a_code_and_says_whether_trying_again_helps(
    kind: type[WattscopeError],
) -> None:
    assert kind.code
    assert not issubclass(kind, TransientError) or not issubclass(kind, PermanentError)


def test_codes_are_told_apart() -> None:
    codes = [kind.code for kind in TREE]
    assert len(codes) == len(set(codes))


def test_settings_error_lists_every_fault_with_its_place() -> None:
    fault = SettingsError(["a: wrong", "b: wrong"], where="wattscope.toml")
    assert fault.faults == ("a: wrong", "b: wrong")
    assert str(fault) == "wattscope.toml: a: wrong\nwattscope.toml: b: wrong"
