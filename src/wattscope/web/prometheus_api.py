"""``/api/v1``: Prometheus' query API over the store, so that Grafana's data source draws from it.

Form and meaning are those of Prometheus ("HTTP API", "Querying basics"); what is supported of the
language stands in docs/prometheus.md. Values that are missing or implausible are no samples. There
are no stale markers in the store: a series ends when its newest value is older than the lookback.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Final

import anyio.to_thread
import numpy as np
from anyio import CapacityLimiter
from fastapi import APIRouter, Request, Response

from wattscope import __version__
from wattscope.compute.prometheus_names import MetricType
from wattscope.compute.promql.evaluate import Evaluator, Grid
from wattscope.compute.promql.faults import PromqlTextError
from wattscope.compute.promql.frames import Frame
from wattscope.compute.promql.matchers import Labels, choose
from wattscope.compute.promql.query_reader import read_query, read_selector
from wattscope.compute.promql.sampling import Sampler
from wattscope.compute.promql.tree import Edition, Kind, Node, Selector, Text, find_kind
from wattscope.core.errors import QueryError, TransientError
from wattscope.web.prometheus_answers import (
    error_answer,
    good_answer,
    matrix_answer,
    rows_answer,
    scalar_answer,
    text_answer,
    vector_answer,
)
from wattscope.web.prometheus_rows import StoredRows, look_up_rows
from wattscope.web.prometheus_words import Words, read_range, read_words
from wattscope.web.services import Services

_PREFIX: Final = "/api/v1"
FORM_PATHS: Final = frozenset(
    f"{_PREFIX}/{one}" for one in ("query", "query_range", "labels", "series")
)
"""Paths that may be asked with a form; nothing is changed by any."""
_VERSIONS: Final = {Edition.V2: "2.42.0", Edition.V3: "3.0.0"}
"""What is told to those who choose their questions by Prometheus' version."""
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TYPES: Final = {MetricType.UNTYPED: "unknown"}
_Answer = Callable[[Services, Words], Response]


def build_prometheus_routes(services: Services) -> APIRouter:
    """The routes; Prometheus describes them."""
    router = APIRouter(prefix=_PREFIX, include_in_schema=False)
    waiting = CapacityLimiter(services.prometheus.n_at_once)

    async def serve(request: Request, answer: _Answer) -> Response:
        """Answer in a thread, and word what goes wrong as Prometheus does."""
        try:
            words = await read_words(request)
            work = partial(answer, services, words)
            return await anyio.to_thread.run_sync(work, limiter=waiting)
        except (QueryError, TransientError) as fault:
            return error_answer(fault)

    @router.api_route("/query", methods=["GET", "POST"])
    async def query(request: Request) -> Response:
        """The answer at one instant."""
        return await serve(request, _answer_instant)

    @router.api_route("/query_range", methods=["GET", "POST"])
    async def query_range(request: Request) -> Response:
        """The answer at many instants."""
        return await serve(request, _answer_range)

    @router.api_route("/labels", methods=["GET", "POST"])
    async def list_labels(request: Request) -> Response:
        """Names of labels."""
        return await serve(request, _answer_labels)

    @router.get("/label/{label}/values")
    async def list_values(request: Request, label: str) -> Response:
        """Values of a label."""
        return await serve(request, partial(_answer_values, label))

    @router.api_route("/series", methods=["GET", "POST"])
    async def list_series(request: Request) -> Response:
        """Series by their labels."""
        return await serve(request, _answer_series)

    @router.get("/metadata")
    async def list_metadata(request: Request) -> Response:
        """Type, help and unit of names."""
        return await serve(request, _answer_metadata)

    @router.get("/status/buildinfo")
    def read_build() -> Response:
        """Whose rules are followed, for those who ask before they ask."""
        return good_answer(
            {
                "version": _VERSIONS[services.prometheus.edition],
                "revision": f"wattscope {__version__}",
                "branch": "",
                "buildUser": "",
                "buildDate": "",
                "goVersion": "",
            }
        )

    return router


def _look_up(services: Services) -> StoredRows:
    return look_up_rows(services.store, services.book, services.prometheus.renames)


def _sampler(services: Services) -> Sampler:
    options = services.prometheus
    return Sampler(_look_up(services), options.edition, options.bounds)


def _read_query(words: Words) -> Node:
    try:
        return read_query(words.find("query"))
    except PromqlTextError as fault:
        raise PromqlTextError(f'invalid parameter "query": {fault}') from fault


def _answer_instant(services: Services, words: Words) -> Response:
    at_us = words.read_instant_us("time", services.now_us())
    lookback_us = words.read_lookback_us(services.prometheus.lookback_us)
    node = _read_query(words)
    if isinstance(node, Text):
        return text_answer(at_us, node.value)
    sampler = _sampler(services)
    if isinstance(node, Selector) and node.range_us is not None:
        end_us = at_us - node.offset_us
        return rows_answer(sampler.read_windows(node.matchers, end_us, node.range_us))
    grid = Grid(np.array([at_us], np.int64), lookback_us)
    found = Evaluator(sampler, grid).evaluate(node)
    if isinstance(found, Frame):
        return vector_answer(at_us, found)
    return scalar_answer(at_us, float(found[0]))


def _answer_range(services: Services, words: Words) -> Response:
    grid = read_range(words, services.prometheus.lookback_us)
    node = _read_query(words)
    kind = find_kind(node)
    if kind in {Kind.MATRIX, Kind.STRING}:
        what = "range vector" if kind is Kind.MATRIX else "string"
        raise PromqlTextError(
            f'invalid parameter "query": invalid expression type "{what}" for range query, must '
            "be Scalar or instant Vector"
        )
    found = Evaluator(_sampler(services), grid).evaluate(node)
    if not isinstance(found, Frame):
        found = Frame(((),), found[None], np.ones((1, len(found)), np.bool_))
    return matrix_answer(grid.steps_us, found)


def _match(services: Services, words: Words, *, is_needed: bool = False) -> list[Labels]:
    """The labels of the series that any of ``match[]`` means; of all without one.

    When they had values is not looked at: what is known of a series is not asked of the store.
    """
    for name in ("start", "end"):
        words.read_instant_us(name, 0)
    labels = [one.labels for one in _look_up(services).series]
    given = words.fields.get("match[]", ())
    if is_needed and not given:
        raise PromqlTextError("no match[] parameter provided")
    if not given:
        return labels
    places = {place for text in given for place in choose(labels, read_selector(text))}
    return [labels[place] for place in sorted(places)]


def _answer_labels(services: Services, words: Words) -> Response:
    names = {name for labels in _match(services, words) for name, _ in labels}
    return good_answer(sorted(names)[: words.read_limit()])


def _answer_values(label: str, services: Services, words: Words) -> Response:
    if not _LABEL.fullmatch(label):
        raise PromqlTextError(f"invalid label name: {label[:60]!r}")
    found = {dict(labels).get(label, "") for labels in _match(services, words)} - {""}
    return good_answer(sorted(found)[: words.read_limit()])


def _answer_series(services: Services, words: Words) -> Response:
    found = sorted(_match(services, words, is_needed=True))[: words.read_limit()]
    return good_answer([dict(labels) for labels in found])


def _answer_metadata(services: Services, words: Words) -> Response:
    wanted, limit = words.find("metric"), words.read_limit()
    families = [one for one in _look_up(services).families if not wanted or one.name == wanted]
    return good_answer(
        {
            one.name: [
                {"type": _TYPES.get(one.type, one.type.value), "help": one.help, "unit": one.unit}
            ]
            for one in sorted(families, key=lambda family: family.name)[:limit]
        }
    )
