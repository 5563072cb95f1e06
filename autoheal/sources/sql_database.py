"""The one module that knows SQLAlchemy: asks a database for the next rows of a query, read only. Synchronous.

Called by ``sql`` in a thread; loads an extra. SQLAlchemy and not DuckDB: it reaches what people have (PostgreSQL, MySQL,
SQL Server, Oracle, SQLite, and DuckDB itself) through the drivers they have, while DuckDB reads others' databases by
extensions that it fetches from the network at run time. What surprises: SQLite and DuckDB are opened read only, since they
would else make the file that they do not find, and DuckDB would keep others from writing it; and they work in our own
thread, which nothing but an interrupt from another one ends.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from autoheal.errors import AutohealError
from autoheal.sources.secret import read_secret
from autoheal.sources.sql_cursor import Mark

#: How each driver is told to give up, by dialect and driver; others are left to their own settings.
_PATIENCE: Mapping[str, tuple[str, ...]] = {
    "postgresql+pg8000": ("timeout",),
    "mysql+pymysql": ("connect_timeout", "read_timeout"),
    "mssql+pyodbc": ("timeout",),
}


class SqlError(AutohealError):
    """The database gave no rows; the sentence says why."""


@dataclass(slots=True)
class Database:
    """``timeout`` in seconds is for one question: told to the server where the driver can, kept by an interrupt for SQLite
    and DuckDB, else left to the driver."""

    url: str
    username: str = ""
    password_file: Path | None = None
    timeout: float = 30.0
    _engine: Any = field(default=None)
    _password: str | None = field(default=None)

    def rows(self, query: str, watermark: str, since: Mark | None, most: int) -> list[dict[str, Any]]:
        """Up to ``most`` rows with a watermark from ``since`` on, the smallest first. Raises ``SqlError``."""
        sa = _sqlalchemy()
        # DuckDB reserves more words than SQLAlchemy knows of, `at` is one; elsewhere quotes would make case matter.
        quoted = sa.sql.quoted_name(watermark, quote=True if self.url.startswith("duckdb") else None)
        column = sa.column(quoted)
        asked = sa.select(sa.text("*")).select_from(sa.text(f"({query}) AS autoheal_rows"))
        asked = asked.where(column.is_not(None) if since is None else column >= since)
        expired = threading.Event()
        try:
            with (
                self._connected(sa).connect() as connection,
                _ended_after(self.timeout, connection.connection.dbapi_connection, expired),
            ):
                found = connection.execute(asked.order_by(column).limit(most))
                return [dict(row) for row in found.mappings()]
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self.close()
            if expired.is_set():
                raise SqlError(f"no answer within {self.timeout:g} s") from None
            said = " ".join(str(getattr(error, "orig", None) or error).split())
            raise SqlError(f"{type(error).__name__}: {said}"[:300]) from None

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _connected(self, sa: Any) -> Any:
        """An engine that keeps no connection between rounds; a new one when the password changed."""
        password = read_secret(self.password_file) if self.password_file else None
        if self._engine is None or password != self._password:
            self.close()
            self._password = password
            try:
                self._engine = self._made(sa, password)
            except ImportError as error:
                raise SqlError(
                    f"the driver of {sa.make_url(self.url).drivername} is not installed: {error}"
                ) from None
        return self._engine

    def _made(self, sa: Any, password: str | None) -> Any:
        url = sa.make_url(self.url)
        if self.username:
            url = url.set(username=self.username, password=password)
        if url.get_backend_name() == "sqlite":
            path = quote(str(url.database))

            def creator() -> sqlite3.Connection:
                return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=self.timeout)

            return sa.create_engine("sqlite://", creator=creator, poolclass=sa.pool.NullPool)
        patience: dict[str, Any] = dict.fromkeys(
            _PATIENCE.get(url.drivername, ()), max(round(self.timeout), 1)
        )
        if url.drivername in {"postgresql", "postgresql+psycopg", "postgresql+psycopg2"}:
            limit = f"-c statement_timeout={round(self.timeout * 1000)}"
            patience = {"connect_timeout": max(round(self.timeout), 2), "options": limit}
        if url.get_backend_name() == "duckdb" and url.database not in {None, "", ":memory:"}:
            patience = {"read_only": True}
        options = {"postgresql_readonly": True} if url.get_backend_name() == "postgresql" else {}
        return sa.create_engine(
            url, connect_args=patience, poolclass=sa.pool.NullPool, execution_options=options
        )


@contextmanager
def _ended_after(seconds: float, connection: Any, expired: threading.Event) -> Iterator[None]:
    """Interrupt what goes on inside when it takes longer, if the driver can; the interrupt never comes after the end."""
    if not hasattr(connection, "interrupt"):
        yield
        return

    def end() -> None:
        expired.set()
        connection.interrupt()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _sqlalchemy() -> Any:
    try:
        import sqlalchemy  # noqa: PLC0415 - 0.2 s, for those who have such a source
    except ImportError:
        raise SqlError("a source of kind sql needs SQLAlchemy: pip install 'autoheal[sql]'") from None
    return sqlalchemy
