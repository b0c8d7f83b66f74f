"""Why somebody was not let in, and what to do about it."""

import math
from datetime import UTC, datetime

_REALM = 'Bearer realm="factfold"'
_SENT_AS = "as `Authorization: Bearer ff_…`"
_INVALID = f'{_REALM}, error="invalid_token"'
_NEW_KEY = "Ask the operator for a new key (`manage.py create_key`)."


class NotAdmitted(Exception):
    """
    A request was not let in, and no part of it was carried out.

    `code` is stable and the same over REST and MCP; `challenge` is what `WWW-Authenticate` says (RFC 6750).
    """

    errors = ()

    def __init__(
        self, *, code: str, message: str, fix: str, challenge: str | None = None, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.challenge = challenge
        self.retry_after_seconds = retry_after_seconds


class KeyMissing(NotAdmitted):
    """The installation is not open to everybody; send a key."""

    def __init__(self, *, needs: str) -> None:
        super().__init__(
            code="unauthenticated",
            message=f"This needs an API key with the scope `{needs}`, and none was sent.",
            fix=f"Send a key {_SENT_AS}; the operator makes one with `manage.py create_key`.",
            challenge=f'{_REALM}, scope="{needs}"',
        )


class KeyUnknown(NotAdmitted):
    """There is no such key here; send one that there is."""

    def __init__(self) -> None:
        super().__init__(
            code="unauthenticated",
            message="The API key that was sent is not known here.",
            fix=f"Send the whole key {_SENT_AS}, as `manage.py create_key` printed it on this installation.",
            challenge=_INVALID,
        )


class KeyExpired(NotAdmitted):
    """The key counted until a certain day only; get a new one."""

    def __init__(self, *, expired_at: datetime) -> None:
        super().__init__(
            code="unauthenticated",
            message=f"The API key expired at {_told(expired_at)}.",
            fix=_NEW_KEY,
            challenge=_INVALID,
        )


class KeyRevoked(NotAdmitted):
    """The operator has taken the key back; get a new one."""

    def __init__(self, *, revoked_at: datetime) -> None:
        super().__init__(
            code="unauthenticated",
            message=f"The API key was revoked at {_told(revoked_at)}.",
            fix=_NEW_KEY,
            challenge=_INVALID,
        )


class ScopeMissing(NotAdmitted):
    """The key may do other things, not this; get one that may."""

    def __init__(self, *, needs: str) -> None:
        super().__init__(
            code="forbidden",
            message=f"The API key has no scope `{needs}`.",
            fix=f"Ask the operator for a key with it (`manage.py create_key NAME --scope {needs}`).",
            challenge=f'{_REALM}, error="insufficient_scope", scope="{needs}"',
        )


class RateUsedUp(NotAdmitted):
    """The key has asked as often as it may for now; go on after the time in Retry-After."""

    def __init__(self, *, requests_a_minute: int, wait_seconds: float) -> None:
        super().__init__(
            code="rate_limited",
            message=f"The API key's {requests_a_minute} requests a minute are used up.",
            fix="Ask again after the time in Retry-After; an answer that is 304 costs nothing.",
            retry_after_seconds=math.ceil(wait_seconds),
        )


class KeysUnavailable(NotAdmitted):
    """The database cannot be asked who the key belongs to; ask again in a moment."""

    def __init__(self) -> None:
        super().__init__(
            code="unavailable",
            message="The database does not answer, so that no API key can be looked up.",
            fix="Ask again in a moment; the key need not be changed.",
            retry_after_seconds=1,
        )


def _told(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
