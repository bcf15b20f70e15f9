"""The pages of a cluster: all processes on Health, alerts without an error."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.chaos.cluster import Cluster
from tests.chaos.program import wait_until
from tests.page.conftest import OpenPage, Watch, keep_picture
from tests.page.test_contrast import list_weak_texts


def test_health_shows_every_process_and_who_is_silent(
    cluster: Cluster, open_page: OpenPage, watch: Watch
) -> None:
    for role, name in (("store", "a"), ("alert", "a"), ("api", "a")):
        cluster.add(role, name)
    for one in cluster.processes.values():
        wait_until(one.is_ready, "ready", 120)
    url = f"http://127.0.0.1:{cluster.processes['api-a'].port}"
    page = open_page()
    page.goto(f"{url}/health")
    for role in ("store", "alert", "api"):
        expect(page.get_by_test_id(f"process-{role}-a")).to_contain_text("working")
    expect(page.get_by_test_id("shared-store")).to_contain_text("PostgreSQL")
    assert list_weak_texts(page, at_least=20, settle_ms=800) == []
    keep_picture(page, "cluster-health")
    page.goto(f"{url}/alerts")
    expect(page.get_by_role("heading", name="Alerts", exact=True).first).to_be_visible()
    keep_picture(page, "cluster-alerts")
    assert watch.complaints == []

    cluster.processes["store-a"].kill()
    phone = open_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    phone.goto(f"{url}/health")
    expect(phone.get_by_test_id("process-store-a")).to_contain_text("silent", timeout=60_000)
    assert list_weak_texts(phone, at_least=20, settle_ms=800) == []
    keep_picture(phone, "cluster-health-phone-dark")
