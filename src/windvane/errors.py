"""The exceptions that Windvane raises on purpose.

::

    WindvaneError                 every error below; has .message and .remedy
    ├── InputError                a value in a table or frame is wrong: names table, column, row
    │   └── MissingFutureError    a known covariate lacks its future values
    ├── MappingError              a mapping file does not fit the files or the schema
    ├── ConfigError               windvane.toml or an argument is wrong
    ├── StoreError                the workspace cannot be read or written
    │   ├── NoRunError            nothing has been published yet
    │   └── BusyError             another process holds what this one needs
    ├── ModelError                a model cannot be fitted, applied, saved or loaded
    └── ExtraMissingError         an optional dependency is not installed
"""

from __future__ import annotations


class WindvaneError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what is wrong, naming table, column and row where there is one.
        remedy: what the user can do about it, as one sentence.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message} {remedy}".strip())


class InputError(WindvaneError):
    """A value in a table or a frame is wrong.

    Args:
        message: what is wrong.
        remedy: what to do about it.
        table: name of the table, if known.
        column: name of the column, if known.
        row: row number (0-based in a frame, 1-based line in a file), if known.
    """

    def __init__(
        self,
        message: str,
        remedy: str = "",
        *,
        table: str | None = None,
        column: str | None = None,
        row: int | None = None,
    ) -> None:
        self.table = table
        self.column = column
        self.row = row
        super().__init__(message, remedy)


class MissingFutureError(InputError):
    """A covariate declared as known in advance has no value for a future period."""


class MappingError(WindvaneError):
    """A mapping file does not fit the files or the schema."""


class ConfigError(WindvaneError):
    """The configuration or an argument is wrong."""


class StoreError(WindvaneError):
    """The workspace cannot be read or written."""


class NoRunError(StoreError):
    """The workspace has no published run yet."""


class BusyError(StoreError):
    """Another process holds what this one needs."""


class ModelError(WindvaneError):
    """A model cannot be fitted, applied, saved or loaded."""


class ExtraMissingError(WindvaneError):
    """An optional dependency is not installed.

    Args:
        extra: name of the extra that brings it.
        what: what needs it.
    """

    def __init__(self, extra: str, what: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs the extra [{extra}].", f"Install it: pip install 'windvane[{extra}]'.")
