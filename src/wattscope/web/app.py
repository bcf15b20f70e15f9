"""The web application: routes, pages, and the guards around them."""

from __future__ import annotations

from functools import partial
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.base import RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware

from wattscope import __version__
from wattscope.web.alerts import build_alert_routes
from wattscope.web.body_limit import MAX_BODY_BYTES, BodyLimit
from wattscope.web.charts import build_chart_routes
from wattscope.web.commission import build_commission_routes
from wattscope.web.counter_steps import build_counter_step_routes
from wattscope.web.cross_site import CrossSiteGuard
from wattscope.web.device_energy import build_device_energy_routes
from wattscope.web.devices import build_device_routes
from wattscope.web.energy import build_energy_routes
from wattscope.web.fleet import build_fleet_routes
from wattscope.web.grid import build_grid_routes
from wattscope.web.grid_quality import build_grid_quality_routes
from wattscope.web.incidents import build_incident_routes
from wattscope.web.insights import build_insight_routes
from wattscope.web.line_desk import LineDesk
from wattscope.web.line_writes import LINE_PATHS, build_line_routes
from wattscope.web.live_stream import build_live_routes
from wattscope.web.meters import build_meter_routes
from wattscope.web.metrics import build_metrics_routes
from wattscope.web.operations import build_operation_routes
from wattscope.web.panels import build_panel_routes
from wattscope.web.phases import build_phase_routes
from wattscope.web.plant import build_plant_routes
from wattscope.web.problems import install_problem_handlers, problem
from wattscope.web.prometheus_api import FORM_PATHS, build_prometheus_routes
from wattscope.web.remote_desk import RemoteDesk
from wattscope.web.remote_writes import REMOTE_PATHS, build_remote_routes
from wattscope.web.reports import build_report_routes
from wattscope.web.running import build_running_routes
from wattscope.web.screen import build_screen_routes
from wattscope.web.services import Services

_SECURITY_HEADERS = {
    # Nothing is loaded from another host; Swagger's page and uPlot set styles inline.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "script-src 'self'; frame-ancestors 'none'; base-uri 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_DOCS_SCRIPT = """window.onload = () => SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true });"""
_NO_PAGE = (
    "<!doctype html><title>Wattscope</title><p>The page is not built. "
    "Run <code>python hatch_build.py</code> in the source folder, or install the wheel.</p>"
)


def create_app(services: Services) -> FastAPI:
    """The application over its services."""
    app = FastAPI(
        title="Wattscope",
        version=__version__,
        description="Energies in Wh, powers in W, times in RFC 3339 UTC; null is unknown.",
        docs_url=None,
        redoc_url=None,
    )
    install_problem_handlers(app)
    _install_guards(app, services.allowed_hosts)
    for build in (
        build_chart_routes,
        build_device_energy_routes,
        build_fleet_routes,
        build_panel_routes,
        build_device_routes,
        build_energy_routes,
        build_insight_routes,
        build_counter_step_routes,
        build_grid_routes,
        build_grid_quality_routes,
        build_phase_routes,
        build_plant_routes,
        build_running_routes,
        build_screen_routes,
        build_live_routes,
        build_metrics_routes,
        build_commission_routes,
        build_meter_routes,
        build_operation_routes,
        build_incident_routes,
        build_alert_routes,
        build_report_routes,
        build_prometheus_routes,
    ):
        app.include_router(build(services))
    static = Path(str(files("wattscope").joinpath("web", "static")))
    app.include_router(build_line_routes(services.lines, partial(_show_page, static)))
    app.include_router(build_remote_routes(services.remote))
    _install_pages(app, static)
    return app


def create_metrics_app(services: Services) -> FastAPI:
    """The application of a port for Prometheus alone: ``/metrics``, and nothing else."""
    app = FastAPI(title="Wattscope", openapi_url=None, docs_url=None, redoc_url=None)
    install_problem_handlers(app)
    _install_guards(app, services.allowed_hosts)
    app.include_router(build_metrics_routes(services))
    return app


def create_write_app(
    lines: LineDesk | None, remote: RemoteDesk | None, allowed_hosts: tuple[str, ...]
) -> FastAPI:
    """The application of a process that takes points or samples in, and shows nothing."""
    app = FastAPI(title="Wattscope", openapi_url=None, docs_url=None, redoc_url=None)
    install_problem_handlers(app)
    _install_guards(app, allowed_hosts)
    app.include_router(build_line_routes(lines))
    app.include_router(build_remote_routes(remote))
    return app


def _install_guards(app: FastAPI, allowed_hosts: tuple[str, ...]) -> None:
    """Refuse foreign host names (DNS rebinding) and pages, add security headers, compress."""
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES, own_limit=LINE_PATHS | REMOTE_PATHS)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(CrossSiteGuard, any_body=LINE_PATHS | REMOTE_PATHS | FORM_PATHS)
    allowed = set(allowed_hosts)

    @app.middleware("http")
    async def guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
        host = _host_name(request.headers.get("host", ""))
        if "*" not in allowed and host not in allowed:
            return problem(421, "wrong_host", f"this program is not {host!r}; see server.host")
        response = await call_next(request)
        for name, value in _SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def _host_name(header: str) -> str:
    """The host of a Host header without its port.

    >>> _host_name("LocalHost:8000"), _host_name("[::1]:8000")
    ('localhost', '::1')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def _install_pages(app: FastAPI, static: Path) -> None:
    """The built page, the API's own page, and every path of the page's own routing."""
    if (static / "assets").is_dir():
        app.mount("/assets", StaticFiles(directory=static / "assets"), name="assets")
    if (static / "docs").is_dir():
        app.mount("/docs-assets", StaticFiles(directory=static / "docs"), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    def read_docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Wattscope API",
            swagger_js_url="/docs-assets/swagger-ui-bundle.js",
            swagger_css_url="/docs-assets/swagger-ui.css",
            swagger_favicon_url="/icon.svg",
        )
        text = bytes(page.body).decode()
        head, _, _ = text.partition("<script>")
        return HTMLResponse(head + '<script src="/docs-start.js"></script></body></html>')

    @app.get("/docs-start.js", include_in_schema=False)
    def read_docs_script() -> Response:
        return Response(_DOCS_SCRIPT, media_type="text/javascript")

    @app.get("/{path:path}", include_in_schema=False, response_model=None)
    def read_page(path: str) -> Response:
        if path.startswith("api/"):
            return problem(404, "not_found", f"there is no /{path}; see /docs")
        if path == "icon.svg" and (static / path).is_file():
            return FileResponse(static / path)
        return _show_page(static)


def _show_page(static: Path) -> Response:
    """The built page, which finds by its address what to show."""
    index = static / "index.html"
    if not index.is_file():
        return HTMLResponse(_NO_PAGE, 503)
    return FileResponse(index, headers={"Cache-Control": "no-cache"})
