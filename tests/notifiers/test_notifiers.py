"""Channels deliver to real receivers, say what is wrong, and keep their secrets."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.alert_receivers import MailSink, WebhookReceiver
from tests.servers import LOOPBACK, MosquittoServer, find_free_port
from wattscope.assembly.notifiers import build_notifiers
from wattscope.core.alerting import AlertEvent, Notice
from wattscope.core.errors import NoticeRefusedError, SettingsError, TransientError
from wattscope.core.findings import Severity
from wattscope.notifiers.apprise_bridge import AppriseNotifier, AppriseOptions
from wattscope.notifiers.mail import MailNotifier, MailOptions
from wattscope.notifiers.mqtt import MqttNotifier, MqttNotifierOptions
from wattscope.notifiers.webhook import WebhookNotifier, WebhookOptions
from wattscope.settings import NotifySettings, Settings, parse_settings

pytestmark = pytest.mark.integration

NOTICE = Notice(
    "0123abcd",
    AlertEvent.RAISED,
    7,
    "Too hot",
    "Farm",
    "p1",
    "Panel\r\nBcc: all@example.org",
    Severity.CRITICAL,
    "Too hot: Panel\r\nBcc: all@example.org",
    "Temperature 61.5 °C is above 60 °C",
    1_700_000_000_000_000,
    "Europe/Paris",
    61.5,
    "High temperature detected. Check cooling system.",
)


@pytest.fixture
def hook() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
def sink() -> Iterator[MailSink]:
    receiver = MailSink()
    receiver.start()
    yield receiver
    receiver.stop()


def mail_options(port: int) -> MailOptions:
    return MailOptions(LOOPBACK, port, "solar@example.org", ("me@example.org",), is_starttls=False)


async def test_webhook_posts_json_under_the_id_of_the_message(hook: WebhookReceiver) -> None:
    await WebhookNotifier(WebhookOptions(hook.url, password="s3cret")).send(NOTICE)
    [taken] = hook.taken
    assert taken.headers["idempotency-key"] == NOTICE.id
    assert taken.headers["content-type"].startswith("application/json")
    assert taken.headers["authorization"] == "Bearer s3cret"
    body = json.loads(taken.body)
    assert body["device_name"] == NOTICE.device_name
    assert (body["event"], body["value"], body["at"]) == (
        "raised",
        61.5,
        "2023-11-14T22:13:20Z",
    )


async def test_webhook_with_a_user_sends_http_basic(hook: WebhookReceiver) -> None:
    await WebhookNotifier(WebhookOptions(hook.url, "me", "s3cret")).send(NOTICE)
    pair = base64.b64encode(b"me:s3cret").decode()
    assert hook.taken[0].headers["authorization"] == f"Basic {pair}"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, TransientError),
        (503, TransientError),
        (429, TransientError),
        (400, NoticeRefusedError),
        (401, NoticeRefusedError),
        (404, NoticeRefusedError),
        (302, NoticeRefusedError),
    ],
)
async def test_webhook_tells_what_may_pass_from_what_does_not(
    hook: WebhookReceiver, status: int, error: type[Exception]
) -> None:
    hook.status = status
    options = WebhookOptions(hook.url + "/s3cret-path", password="s3cret")
    with pytest.raises(error, match=str(status)) as raised:
        await WebhookNotifier(options).send(NOTICE)
    assert "s3cret" not in str(raised.value)
    assert "s3cret" not in repr(options)


async def test_dead_and_silent_receivers_may_come_back(hook: WebhookReceiver) -> None:
    dead = WebhookNotifier(WebhookOptions(f"http://{LOOPBACK}:{find_free_port()}/"))
    with pytest.raises(TransientError, match=LOOPBACK):
        await dead.send(NOTICE)
    hook.delay_s = 2.0
    with pytest.raises(TransientError, match="timed out"):
        await WebhookNotifier(WebhookOptions(hook.url, timeout_s=0.2)).send(NOTICE)


async def test_mail_bears_the_id_and_a_name_never_makes_a_header(sink: MailSink) -> None:
    await MailNotifier(mail_options(sink.port)).send(NOTICE)
    [taken] = sink.taken
    assert taken.id == NOTICE.id
    assert taken.title == "[critical] Too hot: Panel Bcc: all@example.org"
    assert "bcc" not in taken.headers
    assert taken.headers["auto-submitted"] == "auto-generated"
    assert taken.body.splitlines() == [
        "Temperature 61.5 °C is above 60 °C",
        "High temperature detected. Check cooling system.",
        "2023-11-14 23:13:20 Europe/Paris",
        "Site: Farm",
        "Device: Panel Bcc: all@example.org (p1)",
        "Rule: Too hot",
    ]


@pytest.mark.parametrize(
    ("refusal", "error"), [("550 nobody", NoticeRefusedError), ("451 later", TransientError)]
)
async def test_mail_server_that_refuses_is_told_apart(
    sink: MailSink, refusal: str, error: type[Exception]
) -> None:
    sink.refusal = refusal
    with pytest.raises(error, match=refusal[:3]):
        await MailNotifier(mail_options(sink.port)).send(NOTICE)
    assert sink.taken == []


async def test_mail_is_not_sent_in_the_clear_where_encryption_is_wanted(sink: MailSink) -> None:
    options = replace(mail_options(sink.port), is_starttls=True, password="s3cret", username="me")
    with pytest.raises(TransientError) as raised:
        await MailNotifier(options).send(NOTICE)
    assert sink.taken == []
    assert "s3cret" not in str(raised.value) + repr(options)


async def test_dead_mail_server_may_come_back() -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        await MailNotifier(mail_options(find_free_port())).send(NOTICE)


async def test_mqtt_publishes_once_and_retains_nothing(mosquitto: MosquittoServer) -> None:
    from mqttium.api import AsyncClient  # noqa: PLC0415  # a client of the test

    heard = []
    topic = "test/alerts/one"
    client = AsyncClient()
    await client.connect(LOOPBACK, mosquitto.port)
    await client.subscribe(topic, qos=1)
    await MqttNotifier(MqttNotifierOptions(mosquitto.url, topic)).send(NOTICE)
    async with asyncio.timeout(5):
        async for message in client.messages():
            heard.append(message)
            break
    await client.disconnect()
    assert json.loads(bytes(heard[0].payload))["id"] == NOTICE.id
    assert not heard[0].retain


async def test_dead_broker_may_come_back() -> None:
    url = f"mqtt://{LOOPBACK}:{find_free_port()}"
    with pytest.raises(TransientError, match="broker"):
        await MqttNotifier(MqttNotifierOptions(url)).send(NOTICE)


# Apprise looks for pictures with a module that Python 3.13 has no more.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
async def test_apprise_sends_text_and_never_repeats_its_url(hook: WebhookReceiver) -> None:
    notifier = AppriseNotifier(AppriseOptions(f"json://{LOOPBACK}:{hook.port}/s3cret"))
    await notifier.send(NOTICE)
    assert hook.taken[0].title == "[critical] Too hot: Panel Bcc: all@example.org"
    hook.status = 500
    with pytest.raises(TransientError, match="did not take") as raised:
        await notifier.send(NOTICE)
    assert "s3cret" not in str(raised.value)
    with pytest.raises(SettingsError) as unknown:
        AppriseNotifier(AppriseOptions("nonsense://s3cret"))
    assert "s3cret" not in str(unknown.value)


def test_channels_of_the_settings_are_built_with_the_secrets_of_their_files(
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text("s3cret\nnot this\n")
    settings = Settings(
        notify=(
            NotifySettings(
                "hook", "webhook", "https://host/x", password_file=str(tmp_path / "token")
            ),
            NotifySettings("broker", "mqtt"),
            NotifySettings(
                "mail", "email", "smtps://host", sender="a@b", recipients=("c@d",), username="me"
            ),
        )
    )
    built = build_notifiers(settings)
    assert {name: one.kind for name, one in built.items()} == {
        "hook": "webhook",
        "broker": "mqtt",
        "mail": "email",
    }


def test_missing_file_and_extra_are_named(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    hook = NotifySettings("hook", "webhook", "https://host", password_file=gone)
    with pytest.raises(SettingsError, match=r"notify\.hook: .*gone"):
        build_notifiers(Settings(notify=(hook,)))
    if importlib.util.find_spec("apprise") is None:
        phone = NotifySettings("phone", "apprise", "ntfy://topic")
        with pytest.raises(SettingsError, match=r"notify\.phone: .*wattscope\[notify\]"):
            build_notifiers(Settings(notify=(phone,)))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('name = "a/../b"\ntype = "webhook"\nurl = "https://x"', "no name"),
        ('name = "a"\ntype = "pager"\nurl = "https://x"', "type"),
        ('name = "a"\ntype = "webhook"', "url"),
        ('name = "a"\ntype = "webhook"\nurl = "ftp://x"', "https://"),
        ('name = "a"\ntype = "webhook"\nurl = "https://x"\nurl_file = "y"', "exclude"),
        ('name = "a"\ntype = "email"\nurl = "smtp://x"\nrecipients = ["a@b"]', "sender"),
        ('name = "a"\ntype = "email"\nurl = "smtp://x"\nsender = "a@b"', "recipients"),
        (
            'name = "a"\ntype = "email"\nurl = "smtp://x"\nsender = "a@b"\nrecipients = ["x"]',
            "'x' is no address",
        ),
    ],
)
def test_each_fault_of_a_channel_is_named(text: str, word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        parse_settings(f"[[notify]]\n{text}\n")


def test_name_that_is_there_twice_is_refused() -> None:
    one = '[[notify]]\nname = "a"\ntype = "mqtt"\n'
    with pytest.raises(SettingsError, match="twice"):
        parse_settings(one + one)
