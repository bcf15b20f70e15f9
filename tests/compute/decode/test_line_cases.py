"""Every file of ``tests/cases/lines`` is a body in the line protocol with what must come of it.

``profile`` is a name, or a profile itself; ``readings`` are device, quantity, time and value, and
``aside`` the numbers of the lines that are set aside, with the reason code.
"""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from wattscope.compute.decode.route import Decoded
from wattscope.compute.files.line_map import LineMap, parse_line_map
from wattscope.compute.files.line_protocol import cut_lines
from wattscope.compute.line_routing import LineRouter, find_measurement_name, make_topic
from wattscope.core.findings import ReasonCode, Rejection
from wattscope.core.time_grid import format_utc
from wattscope.ports import RawMessage

CASES = Path(__file__).resolve().parents[2] / "cases" / "lines"


def _read_profile(profile: str | dict[str, Any]) -> LineMap:
    if isinstance(profile, str):
        text = files("wattscope").joinpath("profiles", f"{profile}.toml").read_text()
        return parse_line_map(tomllib.loads(text))
    return parse_line_map(profile)


def _decode(router: LineRouter, message: RawMessage) -> Decoded:
    route = router.find(message.topic)
    if route is None:
        return Rejection(ReasonCode.UNKNOWN_FORMAT, "")
    return route.decode(message)


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.iterdir()))
def test_body_gives_what_the_case_expects(name: str) -> None:
    case = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    router = LineRouter([("p", _read_profile(case["profile"]))])
    precision = case.get("precision", "ns")
    for _ in range(2):
        # The second time, heads and names are known.
        readings, aside = [], []
        for number, line in cut_lines(case["body"].encode()):
            topic = make_topic(precision, "db", find_measurement_name(line))
            decoded = _decode(router, RawMessage(topic, line, 0))
            if isinstance(decoded, Rejection):
                aside.append([number, decoded.code.value])
            for one in decoded if isinstance(decoded, tuple) else ():
                t = "" if one.measured_at_us is None else format_utc(one.measured_at_us)
                named = zip(one.quantities, one.values, strict=True)
                readings += [[one.device, quantity, t, value] for quantity, value in named]
        assert readings == case["readings"]
        assert aside == case["aside"]
