"""What the pages of a cluster are given: everything is elsewhere, nothing comes in here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wattscope.assembly.alerting import AlertDesk
from wattscope.assembly.cluster import Cluster
from wattscope.assembly.device_metrics import build_device_metrics
from wattscope.assembly.screen import build_screen
from wattscope.assembly.storage import now_us
from wattscope.core.incidents import Incident
from wattscope.pipeline.fleet_board import FleetBoard
from wattscope.pipeline.windows import WindowReader
from wattscope.registry.process_book import ProcessBook
from wattscope.settings import Settings, list_renames
from wattscope.web.prometheus_options import PrometheusOptions
from wattscope.web.services import Services


def build_cluster_services(
    settings: Settings,
    cluster: Cluster,
    describe: Callable[[], dict[str, Any]],
    allowed_hosts: tuple[str, ...],
) -> Services:
    """What the web routes are given; ``describe`` tells of this process.

    Raises:
        TransientError: A server is away; try again.
        SettingsError: A channel for alerts cannot be made.
    """
    alerts = AlertDesk(settings, cluster)
    return Services(
        store=cluster.store,
        book=cluster.registry,
        shelf=cluster.shelf,
        live=cluster.live,
        now_us=now_us,
        read_health=lambda: describe_cluster(cluster, describe()),
        read_topics=lambda: {"broker_url": None, "topics": []},
        read_device_metrics=build_device_metrics(settings, cluster).render,
        pages=settings.pages,
        allowed_hosts=allowed_hosts,
        screen=build_screen(settings),
        prometheus=PrometheusOptions(renames=tuple(list_renames(settings))),
        energy_price=settings.site.energy_price,
        alerts=alerts,
        fleet=_build_board(cluster, alerts) if settings.detect.enabled else None,
    )


def _build_board(cluster: Cluster, alerts: AlertDesk) -> FleetBoard:
    """How the panels of a site stand, by the incidents that others find."""
    reader = WindowReader(cluster.store, cluster.registry, cluster.live)

    def list_incidents() -> list[Incident]:
        return [one for one in alerts.incidents.list_open(now_us()) if not one.is_over]

    return FleetBoard(reader, cluster.live, now_us, list_incidents)


def describe_cluster(cluster: Cluster, own: dict[str, Any]) -> dict[str, Any]:
    """The health document of the pages: all processes, and the servers that they share.

    There is no log and no disk of ours.
    """
    by_code = cluster.shelf.count_by_code()
    return own | {
        "processes": [
            one.content | {"role": one.role, "name": one.name, "age_s": one.age_s}
            for one in ProcessBook(cluster.database).list_all()
        ],
        "sources": [],
        "log": None,
        "store": cluster.store.describe() | {"lag_records": 0, "damages": []},
        "detection": None,
        "quarantine": {"total": sum(by_code.values()), "by_code": by_code},
        "registry": {"damages": list(cluster.database.damages)},
        "disk": None,
    }
