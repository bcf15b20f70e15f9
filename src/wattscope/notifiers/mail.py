"""Alerts by e-mail (SMTP).

A message bears its id as ``Message-ID``, by which mailboxes know a repeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from wattscope.core.alerting import Notice
from wattscope.core.errors import NoticeRefusedError, SettingsError, TransientError
from wattscope.core.time_grid import from_us
from wattscope.notifiers.words import word_subject, word_text


@dataclass(frozen=True, slots=True)
class MailOptions:
    """Which server, and from whom to whom."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    is_tls: bool = False
    """Whether the connection is encrypted from its first byte."""
    is_starttls: bool = True
    """Whether a plain connection is made into an encrypted one; refused where it cannot be."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificate authority to trust instead of the system's."""
    timeout_s: float = 10.0


class MailNotifier:
    """Sends through one server."""

    kind = "email"

    def __init__(self, options: MailOptions) -> None:
        """Read the certificates.

        Raises:
            SettingsError: They cannot be read.
        """
        self._options = options
        try:
            self._tls = ssl.create_default_context(cafile=options.ca_file)
        except OSError as fault:
            raise SettingsError([f"ca_file {options.ca_file}: {fault}"]) from fault

    async def send(self, notice: Notice) -> None:
        """Send, and wait until the server has taken it."""
        await asyncio.to_thread(self._send, notice)

    def _send(self, notice: Notice) -> None:
        message = self._write(notice)
        where = f"{self._options.host}:{self._options.port}"
        try:
            server = self._connect()
            try:
                server.send_message(message)
            finally:
                # It has taken the message, or said why not: how we part changes nothing.
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    server.quit()
        except smtplib.SMTPRecipientsRefused as fault:
            codes = sorted({code for code, _ in fault.recipients.values()})
            raise _judge(f"{where} refused all recipients ({codes})", min(codes)) from fault
        except smtplib.SMTPAuthenticationError as fault:
            raise TransientError(f"{where} does not accept user and password") from fault
        except smtplib.SMTPResponseException as fault:
            words = f"{where} answered {fault.smtp_code}"
            raise _judge(words, fault.smtp_code) from fault
        except (smtplib.SMTPException, OSError) as fault:
            words = str(fault) or type(fault).__name__
            raise TransientError(f"{where} cannot be reached: {words}") from fault

    def _connect(self) -> smtplib.SMTP:
        options = self._options
        server: smtplib.SMTP
        if options.is_tls:
            server = smtplib.SMTP_SSL(
                options.host, options.port, timeout=options.timeout_s, context=self._tls
            )
        else:
            server = smtplib.SMTP(options.host, options.port, timeout=options.timeout_s)
        try:
            if options.is_starttls and not options.is_tls:
                server.starttls(context=self._tls)
            if options.username is not None:
                server.login(options.username, options.password or "")
        except BaseException:
            server.close()
            raise
        return server

    def _write(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = word_subject(notice)
        message["From"] = self._options.sender
        message["To"] = ", ".join(self._options.recipients)
        message["Date"] = format_datetime(from_us(notice.at_us))
        message["Message-ID"] = f"<{notice.id}@wattscope.invalid>"
        # RFC 3834: nobody's holiday greeting shall answer.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(word_text(notice))
        return message


def _judge(words: str, code: int) -> TransientError | NoticeRefusedError:
    """RFC 5321, 4.2.1: 4xx may pass, 5xx does not."""
    return NoticeRefusedError(words) if code >= 500 else TransientError(words)
