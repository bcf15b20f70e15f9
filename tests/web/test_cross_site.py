"""A page of somebody else cannot change anything through a visitor's browser."""

from __future__ import annotations

import pytest

from tests.web.applications import Application

QUESTION = {"sql": "SELECT 1 AS one"}


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://testserver.evil.example",
        "http://testserver:81",
        "null",
        "x",
        "",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_foreign_origin_is_refused(house: Application, method: str, origin: str) -> None:
    response = house.client.request(method, "/api/sql", json=QUESTION, headers={"Origin": origin})
    assert response.status_code == 403
    assert response.json()["code"] == "cross_site"
    assert response.headers["content-type"] == "application/problem+json"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_browser_that_says_that_it_comes_from_elsewhere_is_refused(
    house: Application, site: str
) -> None:
    response = house.client.post("/api/sql", json=QUESTION, headers={"Sec-Fetch-Site": site})
    assert response.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://testserver"},
        {"Origin": "http://TESTSERVER:80"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_own_page_and_programs_are_let_in(house: Application, headers: dict[str, str]) -> None:
    response = house.client.post("/api/sql", json=QUESTION, headers=headers)
    assert response.status_code == 200


def test_port_of_the_page_counts(house: Application) -> None:
    headers = {"Host": "localhost:8000", "Origin": "http://localhost:8000"}
    assert house.client.post("/api/sql", json=QUESTION, headers=headers).status_code == 200
    headers["Origin"] = "http://localhost:3000"
    assert house.client.post("/api/sql", json=QUESTION, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_body_that_a_form_can_send_is_refused(house: Application, media: str) -> None:
    body = b'{"sql": "SELECT 1 AS one"}'
    response = house.client.post("/api/sql", content=body, headers={"Content-Type": media})
    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"


def test_post_without_a_body_is_refused_for_a_form_can_send_it(house: Application) -> None:
    assert house.client.post("/api/sql").status_code == 415


def test_looking_is_open_to_every_origin_as_before(house: Application) -> None:
    response = house.client.get("/api/devices", headers={"Origin": "http://evil.example"})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers
