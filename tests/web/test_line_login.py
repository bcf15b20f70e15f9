"""Who may write points, and what senders ask before they do."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.web.applications import Application, open_application
from tests.web.line_senders import SETTINGS, SOURCE, T, stored, write
from wattscope.core.errors import SettingsError
from wattscope.settings import ServerSettings
from wattscope.web import write_desk

TOKEN = "a-token-that-nobody-guesses"
PASSWORD = "a long password"


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path, settings=SETTINGS) as found:
        yield found


@contextmanager
def guarded(folder: Path, *names: str) -> Iterator[Application]:
    """The application with a token, a password, or both."""
    words: dict[str, Any] = {}
    if "token" in names:
        (folder / "tokens").write_text(f"another-token-of-somebody\n{TOKEN}\n")
        words["token_file"] = str(folder / "tokens")
    if "password" in names:
        (folder / "password").write_text(f"{PASSWORD}\n")
        words |= {"username": "telegraf", "password_file": str(folder / "password")}
    source = msgspec.structs.replace(SOURCE, **words)
    settings = msgspec.structs.replace(SETTINGS, sources=(source,))
    with open_application(folder / "data", settings=settings) as found:
        yield found


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


RIGHT = [
    ({"Authorization": f"Token {TOKEN}"}, ""),
    ({"Authorization": f"Bearer {TOKEN}"}, ""),
    ({"Authorization": "token another-token-of-somebody"}, ""),
    ({"Authorization": basic("whoever", TOKEN)}, ""),
    ({}, f"&u=whoever&p={TOKEN}"),
    ({"Authorization": basic("telegraf", PASSWORD)}, ""),
    ({"Authorization": f"Token telegraf:{PASSWORD}"}, ""),
    ({}, "&u=telegraf&p=a%20long%20password"),
]
WRONG = [
    ({}, ""),
    ({"Authorization": "Token "}, ""),
    ({"Authorization": "Token wrong"}, ""),
    ({"Authorization": f"Token {TOKEN}x"}, ""),
    ({"Authorization": TOKEN}, ""),
    ({"Authorization": f"Digest {TOKEN}"}, ""),
    ({"Authorization": "Basic !!!"}, ""),
    ({"Authorization": "Basic /w=="}, ""),
    ({"Authorization": basic("telegraf", "wrong")}, ""),
    ({"Authorization": basic("somebody", PASSWORD)}, ""),
    ({}, "&u=telegraf&p=wrong"),
    ({}, "&u=telegraf&p="),
    ({}, "&u=&p=a%20long%20password"),
]


def test_right_tokens_and_passwords_may_write(tmp_path: Path) -> None:
    with guarded(tmp_path, "token", "password") as found:
        for n, (headers, query) in enumerate(RIGHT):
            path = f"/write?db=d&precision=s{query}"
            assert write(found, f"m,device=a v=1 {T + n}", path, **headers) == (204, {})
        assert len(stored(found)) == len(RIGHT)


@pytest.mark.parametrize("names", [("token",), ("password",), ("token", "password")])
def test_others_may_not(tmp_path: Path, names: Sequence[str]) -> None:
    with guarded(tmp_path, *names) as found:
        answers = set()
        for headers, query in WRONG:
            for path in ("/write?db=d", "/write?", "/query?q=SHOW DATABASES"):
                response = found.client.post(f"{path}{query}", content="x", headers=headers)
                assert response.status_code == 401, (path, headers, query)
                assert response.headers["www-authenticate"].startswith("Basic")
                answers.add(response.text)
            status, answer = write(found, "x", f"/api/v2/write?bucket=d{query}", **headers)
            assert (status, answer) == (
                401,
                {"code": "unauthorized", "message": "unauthorized access"},
            )
        assert answers == {'{"error":"authorization failed"}'}
        assert stored(found) == []
        assert found.client.get("/ping").status_code == 204


def test_login_is_what_keeps_them_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of the checks above."""
    monkeypatch.setattr(write_desk.Login, "admits", lambda *_: True)
    with guarded(tmp_path, "token") as found:
        assert write(found, f"m,device=a v=1 {T}")[0] == 204


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7"])
def test_whoever_can_be_reached_needs_a_login(tmp_path: Path, host: str) -> None:
    exposed = msgspec.structs.replace(SETTINGS, server=ServerSettings(host=host))
    with (
        pytest.raises(SettingsError, match="everybody who can reach"),
        open_application(tmp_path, settings=exposed),
    ):
        pass


@pytest.mark.parametrize("content", ["", "\n\n", "short\n"])
def test_token_that_could_be_guessed_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokens").write_text(content)
    source = msgspec.structs.replace(SOURCE, token_file=str(tmp_path / "tokens"))
    settings = msgspec.structs.replace(SETTINGS, sources=(source,))
    with (
        pytest.raises(SettingsError, match="token_file"),
        open_application(tmp_path / "data", settings=settings),
    ):
        pass


def test_page_of_another_address_may_not_write(application: Application) -> None:
    status = application.client.post(
        "/write?db=d", content=f"m v=1 {T}", headers={"Origin": "https://evil.example"}
    ).status_code
    assert status == 403
    assert stored(application) == []


def test_database_is_made_and_listed(application: Application) -> None:
    made = application.client.post("/query", data={"q": 'CREATE DATABASE "my db"'})
    assert made.json() == {"results": [{"statement_id": 0}]}
    write(application, f"m,device=a v=1 {T}")
    both = application.client.get("/query", params={"q": "create database x; SHOW DATABASES;"})
    assert both.json()["results"] == [
        {"statement_id": 0},
        {
            "statement_id": 1,
            "series": [
                {
                    "name": "databases",
                    "columns": ["name"],
                    "values": [["my db"], ["telegraf"], ["x"]],
                }
            ],
        },
    ]
    policies = application.client.get("/query", params={"q": 'SHOW RETENTION POLICIES ON "x"'})
    assert policies.json()["results"][0]["series"][0]["values"][0][0] == "autogen"


@pytest.mark.parametrize("q", ["", ";", "SELECT * FROM m", "DROP DATABASE x", 'CREATE DATABASE "x'])
def test_other_statements_are_refused_with_where_to_ask(application: Application, q: str) -> None:
    response = application.client.get("/query", params={"q": q})
    assert response.status_code == 400
    assert ("q" in response.json()["error"]) or ("/api/sql" in response.json()["error"])


def test_ping_and_health(application: Application) -> None:
    for method in ("GET", "HEAD"):
        response = application.client.request(method, "/ping")
        assert (response.status_code, response.text) == (204, "")
        assert response.headers["x-influxdb-build"] == "Wattscope"
    assert application.client.get("/ping?verbose=true").json() == {"version": "1.8.10"}
    health = application.client.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "pass")
    page = application.client.get("/health", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.text == application.client.get("/").text, "a browser is shown the page"


def test_without_such_a_source_it_is_said_what_to_set(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, sources=())
    with open_application(tmp_path, settings=settings) as found:
        status, answer = write(found, "m v=1")
        assert (status, 'type = "influx"' in answer["error"]) == (404, True)
        assert found.client.get("/health").text == found.client.get("/").text
