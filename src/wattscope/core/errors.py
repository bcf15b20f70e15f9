"""The one tree of errors.

::

    WattscopeError
    ├── SettingsError        a settings file or a command line option is wrong
    ├── PermanentError       trying again cannot help
    │   ├── StorageError     a file of the data folder is not what it must be
    │   ├── UnknownNameError a site, device, quantity or profile that does not exist
    │   ├── BadBodyError     a body that is not what its headers say
    │   ├── NoticeRefusedError  a receiver of alerts does not take this message
    │   └── QueryError       a question that cannot be answered as asked
    │       └── RowError     a row of the meter book that cannot be meant
    └── TransientError       trying again later may help (a broker is away)
        ├── NotTakenError    a receiver of readings takes nothing now
        ├── StorageFullError the disk of the data folder has no room for new data
        └── ChangedMeanwhileError  another process has changed it since it was read

A message says what happened, where, and what to do.
A bad reading is not an error: see ``core.findings``.
"""

from __future__ import annotations

from collections.abc import Sequence


class WattscopeError(Exception):
    """The base of every error that this program raises on purpose."""

    code: str = "error"
    """Stable code that callers over HTTP may switch on."""


class SettingsError(WattscopeError):
    """One or more settings are wrong; all of them are listed at once."""

    code = "settings_invalid"

    def __init__(self, faults: Sequence[str] | str, *, where: str = "") -> None:
        self.faults = (faults,) if isinstance(faults, str) else tuple(faults)
        """Each fault as one line: where, what, and what to do."""
        self.where = where
        head = f"{where}: " if where else ""
        super().__init__("\n".join(f"{head}{fault}" for fault in self.faults))


class PermanentError(WattscopeError):
    """Trying the same again cannot succeed."""

    code = "permanent"


class StorageError(PermanentError):
    """A file of the data folder is damaged, missing, in use, or of another version."""

    code = "storage"


class UnknownNameError(PermanentError):
    """A name that nothing in the registry or the catalogue bears."""

    code = "unknown_name"


class NoticeRefusedError(PermanentError):
    """A receiver of alerts was reached and does not take this message; others it may take."""

    code = "notice_refused"


class BadBodyError(PermanentError):
    """A body that is not what its headers say."""

    code = "bad_body"


class TooLargeError(PermanentError):
    """More at once than is ever taken; the sender has to send less."""

    code = "too_large"


class QueryError(PermanentError):
    """A question over HTTP, SQL or the command line that cannot be answered as asked."""

    code = "bad_query"


class RowError(QueryError):
    """A row of the meter book that would be left out, or would have others left out."""

    code = "bad_row"


class TransientError(WattscopeError):
    """Trying again later may succeed; only the supervisor tries again."""

    code = "try_again"


class OverloadedError(TransientError):
    """More is under way than there is room for; nothing of this was taken."""

    code = "overloaded"


class NotTakenError(TransientError):
    """A receiver of readings takes nothing now, or cannot be reached; they are kept for it."""

    code = "not_taken"

    def __init__(self, message: str, *, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        """Asking earlier would not help [s]; None: nobody knows, so ever more slowly."""


class StorageFullError(TransientError):
    """New data is refused until there is room on the disk again; questions are answered."""

    code = "storage_full"


class ChangedMeanwhileError(TransientError):
    """What was to be changed is not any more what it was when that was decided."""

    code = "changed_meanwhile"
