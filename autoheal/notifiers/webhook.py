"""Notifier ``webhook``: a JSON POST. 2xx is taken, 429 and 5xx are tried again, anything else is given up.

The header ``Idempotency-Key`` is the same over all tries of a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from autoheal.net import HTTPError, Response, client
from autoheal.notifiers.contract import DeliveryError, Message

#: Longer waits than this are not taken from a receiver.
LONGEST_WAIT = 600.0


@dataclass(frozen=True, slots=True)
class WebhookNotifier:
    """``timeout`` is real time, for the whole exchange of one try at most a few times it."""

    name: str
    url: str
    timeout: timedelta = timedelta(seconds=5)

    async def send(self, message: Message) -> None:
        body = {"to": message.to, "text": message.text, **message.facts}
        headers = {"idempotency-key": message.key.encode("ascii", "replace").decode()}
        try:
            async with client(timeout=self.timeout.total_seconds(), connections=1) as http:
                response = await http.post(self.url, json=body, headers=headers)
        except HTTPError as error:
            raise DeliveryError(f"{type(error).__name__} {error}".rstrip(), retryable=True) from error
        if response.is_success:
            return
        retryable = response.status_code in {408, 425, 429} or response.status_code >= 500
        raise DeliveryError(
            f"status {response.status_code}: {response.text[:200]}",
            retryable=retryable,
            after=_wait(response),
        )


def _wait(response: Response) -> float:
    """Retry-After in seconds; dates are not understood and count as none."""
    text = response.headers.get("retry-after", "")
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdigit() else 0.0
