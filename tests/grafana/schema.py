"""Grafana's schema of dashboards, as the types of its Foundation SDK tell it, held strictly.

The SDK's own reader takes anything: it skips keys that it does not know and looks at no type. Here
an unknown key, a missing one and a value of another type are faults.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from grafana_foundation_sdk.models import dashboard, prometheus

PLUGIN_QUERIES: Mapping[str, Mapping[str, Any]] = {
    "grafana-postgresql-datasource": {
        "editorMode": {"code", "builder"},
        "format": {"time_series", "table"},
        "rawSql": str,
    },
    "influxdb": {
        "query": str,
        "resultFormat": {"time_series", "table", "logs"},
        "alias": str,
    },
}
"""Queries that the SDK has no type for; what the plugins save, as their documentation shows it."""
_SCALARS: Mapping[Any, Any] = {str: str, bool: bool, int: int, float: (int, float)}


def find_faults(board: Mapping[str, Any]) -> list[str]:
    """Everything in which a dashboard differs from the schema, each with its place."""
    return list(_look_at(board, dashboard.Dashboard, "dashboard"))


def _look_at(value: Any, kind: Any, place: str) -> Iterator[str]:  # noqa: ANN401  # JSON, types
    origin = typing.get_origin(kind)
    if origin in {typing.Union, types.UnionType}:
        yield from _look_at_choice(value, typing.get_args(kind), place)
    elif origin is list:
        if not isinstance(value, list):
            yield f"{place}: {value!r} is no list"
            return
        for number, one in enumerate(value):
            yield from _look_at(one, typing.get_args(kind)[0], f"{place}[{number}]")
    elif hasattr(kind, "from_json"):
        yield from _look_at_object(value, kind, place)
    elif not _is_of(value, kind):
        yield f"{place}: {value!r} is no {kind}"


def _is_of(value: Any, kind: Any) -> bool:  # noqa: ANN401  # JSON, types
    """Whether a value that holds no others is one of its type; "object" is anything."""
    if typing.get_origin(kind) is typing.Literal:
        return value in typing.get_args(kind)
    if kind in _SCALARS:
        return isinstance(value, _SCALARS[kind]) and (kind is bool or not isinstance(value, bool))
    if kind is type(None):
        return value is None
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return value in [one.value for one in kind]
    return True


def _look_at_choice(value: Any, kinds: tuple[Any, ...], place: str) -> Iterator[str]:  # noqa: ANN401
    if dashboard.Panel in kinds:
        # A row and a panel differ by their type.
        is_row = isinstance(value, dict) and value.get("type") == "row"
        kinds = (dashboard.RowPanel if is_row else dashboard.Panel,)
    attempts = [list(_look_at(value, one, place)) for one in kinds if one is not type(None)]
    if value is not None or type(None) not in kinds:
        yield from min(attempts, key=len)


def _look_at_object(value: Any, kind: Any, place: str) -> Iterator[str]:  # noqa: ANN401
    if not isinstance(value, dict):
        yield f"{place}: {value!r} is no object"
        return
    hints = {_key(name): hint for name, hint in typing.get_type_hints(kind).items()}
    hints |= _read_plugin(value, kind)
    yield from (f"{place}: there is no {key}" for key in sorted(value.keys() - hints.keys()))
    for key, hint in hints.items():
        if key in value:
            if kind is dashboard.Panel and key == "targets":
                for number, one in enumerate(value[key]):
                    yield from _look_at_query(one, f"{place}.targets[{number}]")
            else:
                yield from _look_at(value[key], hint, f"{place}.{key}")
        elif type(None) not in typing.get_args(hint) and hint is not object:
            yield f"{place}: {key} is missing"
    if kind is dashboard.Panel:
        custom = value.get("fieldConfig", {}).get("defaults", {}).get("custom")
        if custom is not None:
            plugin = _find_plugin(value)
            yield from _look_at(custom, plugin.FieldConfig, f"{place}.fieldConfig.defaults.custom")


def _read_plugin(value: Mapping[str, Any], kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """What the options of a panel are, its kind says."""
    return {"options": _find_plugin(value).Options} if kind is dashboard.Panel else {}


def _find_plugin(panel: Mapping[str, Any]) -> Any:  # noqa: ANN401  # a module
    return importlib.import_module(f"grafana_foundation_sdk.models.{panel['type']}")


def _look_at_query(query: Mapping[str, Any], place: str) -> Iterator[str]:
    kind = query.get("datasource", {}).get("type")
    if kind == "prometheus":
        yield from _look_at(query, prometheus.Dataquery, place)
        return
    known = {"refId": str, "datasource": dict, "rawQuery": bool} | dict(PLUGIN_QUERIES[kind])
    yield from (f"{place}: {key} is missing" for key in sorted(known.keys() - query.keys()))
    for key, value in query.items():
        wanted = known.get(key)
        if wanted is None:
            yield f"{place}: there is no {key}"
        elif isinstance(wanted, set) and value not in wanted:
            yield f"{place}.{key}: {value!r} is none of {sorted(wanted)}"
        elif isinstance(wanted, type) and not isinstance(value, wanted):
            yield f"{place}.{key}: {value!r} is no {wanted.__name__}"


def _key(name: str) -> str:
    """How an attribute of the SDK is called in JSON."""
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name.removesuffix("_val"))
