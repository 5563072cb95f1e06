"""Credentials and TLS files named by the settings: read when they are needed, never kept in a log or a message.

``prometheus`` and ``mqtt`` call it before each connection or round, in a thread, so that a rotated secret is taken up
without a restart. What surprises: a secret must be one line of printable ASCII, because HTTP libraries repeat a
header that they refuse *with its value* in their error.
"""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path

from autoheal.errors import AutohealError

LARGEST = 16 * 1024


class SecretError(AutohealError):
    """A file of credentials or certificates is not usable; the message has its path and never its content."""


def read_secret(path: Path) -> str:
    """The one line in a file; raises ``SecretError``."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise SecretError(f"{path} cannot be read: {error.strerror}") from None
    text = data.decode("ascii", "replace").strip()
    if not text or len(data) > LARGEST or not (text.isascii() and text.isprintable()):
        raise SecretError(f"{path} must hold one line of printable ASCII")
    return text


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are: a bearer token, or a user and a password, or nobody. Only paths are held."""

    bearer_file: Path | None = None
    username: str = ""
    password_file: Path | None = None

    def password(self) -> str | None:
        """The password as it is now in its file."""
        return None if self.password_file is None else read_secret(self.password_file)

    def header(self) -> dict[str, str]:
        """The HTTP header that says who we are."""
        if self.bearer_file is not None:
            return {"authorization": f"Bearer {read_secret(self.bearer_file)}"}
        if self.username:
            pair = f"{self.username}:{self.password() or ''}"
            return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return {}


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust (the system's authorities unless ``ca_file``), and our own certificate where one is asked for."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A verifying context; raises ``SecretError``."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:
            files = ", ".join(str(f) for f in (self.ca_file, self.cert_file, self.key_file) if f is not None)
            raise SecretError(f"{files}: {error.strerror or error}") from None
        return context
