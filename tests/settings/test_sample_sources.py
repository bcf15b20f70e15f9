"""Sources of type ``remote_write`` and ``scrape``: what is meant, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.settings.test_settings import faults_of
from wattscope.assembly.scrape_options import build_getter_options
from wattscope.cli.main import build_app
from wattscope.core.errors import SettingsError
from wattscope.settings import SourceSettings, parse_settings

GOOD = """
[[sources]]
name = "prom"
type = "remote_write"

[[sources]]
name = "pages"
type = "scrape"
urls = ["http://10.0.0.5:9100/metrics", "https://[::1]/metrics?a=b"]
poll = "*/5 * * * *"
timeout_s = 2.5
honor_timestamps = false
username = "me"
password_file = "secret"

[[sources]]
name = "others"
type = "scrape"
urls = ["http://10.0.0.6:9100/metrics"]
"""


def test_both_kinds_can_be_told_and_exporters_in_several_tables() -> None:
    prom, pages, others = parse_settings(GOOD).sources
    assert (prom.max_body_mb, prom.profiles) == (5.0, ())
    assert (len(pages.urls), pages.timeout_s, pages.honor_timestamps) == (2, 2.5, False)
    assert (others.poll, others.timeout_s, others.honor_timestamps) == ("10s", 5.0, True)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("urls = []", ".urls: name at least one page"),
        ('urls = ["http://a/m", "http://a/m"]', ".urls: a page is there twice"),
        ('urls = ["a:9100"]', ".urls: number 1 is no web address"),
        ('urls = ["http://a/m", "ftp://a/m"]', ".urls: number 2 is no web address"),
        ('urls = ["http://a:x/m"]', ".urls: number 1 is no web address"),
        ('urls = ["http://a/b c"]', ".urls: number 1 is no web address"),
        ('urls = ["http://me:hush@a/m"]', ".urls: number 1 holds a user"),
        ('password = "hush"', ".password: write it into a file"),
        ('username = "me"', "username and password_file belong together"),
        (
            'username = "me"\npassword_file = "p"\ntoken_file = "t"',
            "token_file and username exclude each other",
        ),
        ("timeout_s = 0", ".timeout_s: must be above 0"),
        ("timeout_s = 301", ".timeout_s: must be above 0 and at most 300"),
        ("max_body_mb = 0", ".max_body_mb: must be above 0"),
        ('poll = "never"', ".poll: schedule 'never' is neither"),
    ],
)
def test_what_cannot_be_meant_is_said(lines: str, fault: str) -> None:
    words = dict(one.split(" = ", 1) for one in lines.splitlines())
    words = {"name": '"pages"', "type": '"scrape"', "urls": '["http://a/metrics"]'} | words
    text = "\n".join(f"{key} = {value}" for key, value in words.items())
    [told] = faults_of(f"[[sources]]\n{text}")
    assert fault in told
    assert told.startswith("sources.pages")
    assert "hush" not in told


def test_only_one_source_can_be_written_to_by_a_prometheus() -> None:
    one = '[[sources]]\nname = "{}"\ntype = "remote_write"\n'
    [told] = faults_of(one.format("a") + one.format("b"))
    assert told == "sources: only one can be of type remote_write; name all its profiles in one"


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\nsecond line\n")
    (tmp_path / "password").write_text("open sesame\n")
    source = SourceSettings(name="s", type="scrape", token_file=str(tmp_path / "token"))
    assert build_getter_options(source).authorization == "Bearer abc"
    source = SourceSettings(
        name="s", type="scrape", username="me", password_file=str(tmp_path / "password")
    )
    assert build_getter_options(source).authorization == "Basic bWU6b3BlbiBzZXNhbWU="
    with pytest.raises(SettingsError, match=r"sources\.s\.token_file: .* cannot be read"):
        build_getter_options(SourceSettings(name="s", token_file=str(tmp_path / "absent")))


def test_check_reads_profiles_and_secrets(tmp_path: Path) -> None:
    file = tmp_path / "wattscope.toml"
    (tmp_path / "secret").write_text("12345678\n")
    text = GOOD.replace('"secret"', f'"{tmp_path / "secret"}"')
    app = build_app(())
    file.write_text(text)
    outcome = CliRunner().invoke(app, ["check", str(file)])
    assert (outcome.exit_code, "3 sources" in outcome.output) == (0, True)
    file.write_text(text.replace('"remote_write"', '"remote_write"\nprofiles = ["sdm630"]'))
    outcome = CliRunner().invoke(app, ["check", str(file)])
    assert isinstance(outcome.exception, SettingsError)
    assert "profile sdm630" in str(outcome.exception)
