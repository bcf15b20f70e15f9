"""How a process of a cluster answers before and beside its work: alive, ready, in numbers.

It answers from the first moment, also while nothing that it needs is there, so that whoever started
it can ask what it waits for. A process with pages of its own hands them over once they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.types import Receive, Scope, Send

from wattscope.web.output_metrics import collect_outputs
from wattscope.web.problems import install_problem_handlers, problem

OWN_PATHS = frozenset({"/healthz", "/readyz"})
"""Answered here, also for a process that has pages."""


class RoleGate:
    """The ASGI application of one process of a cluster."""

    def __init__(
        self,
        describe: Callable[[], dict[str, Any]],
        list_waiting: Callable[[], list[str]],
        allowed_hosts: tuple[str, ...],
    ) -> None:
        """Take what is to be told.

        Args:
            describe: State of the process; may raise nothing.
            list_waiting: What is missing to be ready, in words; empty when it is.
            allowed_hosts: Names under which it may be asked.
        """
        self._own = _create_own_app(describe, list_waiting, allowed_hosts)
        self._pages: FastAPI | None = None

    def show(self, pages: FastAPI) -> None:
        """Hand over to pages all that is not asked of the process itself."""
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        pages = self._pages
        if pages is None or scope.get("path") in OWN_PATHS:
            await self._own(scope, receive, send)
        else:
            await pages(scope, receive, send)


def _create_own_app(
    describe: Callable[[], dict[str, Any]],
    list_waiting: Callable[[], list[str]],
    allowed_hosts: tuple[str, ...],
) -> FastAPI:
    app = FastAPI(title="Wattscope", openapi_url=None, docs_url=None, redoc_url=None)
    install_problem_handlers(app)
    registry = CollectorRegistry()
    registry.register(RoleCollector(describe, list_waiting))

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:  # noqa: ANN401  # the framework's
        host = (request.url.hostname or "").lower()
        if "*" not in allowed_hosts and host not in allowed_hosts:
            return problem(421, "wrong_host", f"this program is not {host!r}; see server.host")
        answer: Response = await call_next(request)
        return answer

    @app.get("/healthz")
    def read_liveness() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "alive"}

    @app.get("/readyz", response_model=None)
    def read_readiness() -> Any:  # noqa: ANN401  # a response
        """Whether it works; 503 with the reasons where not."""
        waiting = list_waiting()
        if waiting:
            return problem(503, "not_ready", "; ".join(waiting))
        return {"status": "ready"}

    @app.get("/api/health")
    def read_health() -> dict[str, Any]:
        """Role, what it waits for, counters and lag."""
        return describe() | {"waiting": list_waiting()}

    @app.get("/metrics", response_class=Response)
    def read_metrics() -> Response:
        """The same for Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    # Points that are sent too early are sent again for a 503, and dropped for a 405.
    @app.api_route(
        "/{path:path}", methods=["GET", "POST"], include_in_schema=False, response_model=None
    )
    def refuse(path: str) -> Any:  # noqa: ANN401  # a response
        """Whatever else, until there are pages."""
        waiting = list_waiting()
        if waiting:
            return problem(503, "not_ready", "; ".join(waiting))
        return problem(404, "not_found", f"this process has no /{path}; ask one of the role api")

    return app


class RoleCollector(Collector):
    """Reads the state of a process at every scrape."""

    def __init__(
        self, describe: Callable[[], dict[str, Any]], list_waiting: Callable[[], list[str]]
    ) -> None:
        self._describe = describe
        self._list_waiting = list_waiting

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        state = self._describe()
        info = GaugeMetricFamily(
            "wattscope_role_info", "Role and name of the process.", labels=["role", "name"]
        )
        info.add_metric([state["role"], state["name"]], 1)
        yield info
        yield GaugeMetricFamily(
            "wattscope_ready", "Whether it works.", value=float(not self._list_waiting())
        )
        for outcome in ("received", "stored", "duplicate", "refused"):
            yield CounterMetricFamily(
                f"wattscope_values_{outcome}",
                f"Values {outcome} since the start.",
                value=state["counters"][outcome],
            )
        aside = CounterMetricFamily(
            "wattscope_values_quarantined", "Values set aside, by reason.", labels=["code"]
        )
        for code, count in state["counters"]["quarantined_by_code"].items():
            aside.add_metric([code], count)
        yield aside
        lag = GaugeMetricFamily(
            "wattscope_log_lag_messages",
            "Messages of the shared log that are not done with yet, by partition that is ours.",
            labels=["partition"],
        )
        for partition, count in state["lag"].items():
            lag.add_metric([partition], count)
        yield lag
        if state["store_delay_s"] is not None:
            yield GaugeMetricFamily(
                "wattscope_store_delay_seconds",
                "From the receipt of the newest record until it was stored.",
                value=state["store_delay_s"],
            )
        if state["watch"] is not None:
            yield GaugeMetricFamily(
                "wattscope_on_duty",
                "Whether it works (1), or waits to take over from another process (0).",
                value=float(state["watch"]["is_on_duty"]),
            )
        if state["aggregates"] is not None:
            yield from _count_sums(state["aggregates"])
        yield from collect_outputs(state["outputs"])


def _count_sums(told: dict[str, Any]) -> Iterator[Metric]:
    """What became of the sums that a stream processor made."""
    yield CounterMetricFamily(
        "wattscope_live_minutes_taken",
        "Sums of minutes that were handed to the live view.",
        value=told["taken"],
    )
    refused = CounterMetricFamily(
        "wattscope_live_minutes_refused",
        "Messages with sums that were left out, by reason.",
        labels=["code"],
    )
    for code, count in told["refused"].items():
        refused.add_metric([code], count)
    yield refused
