"""Who is let in, and what the others are told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.access.errors import (
    KeyExpired,
    KeyMissing,
    KeyRevoked,
    KeysUnavailable,
    KeyUnknown,
    NotAdmitted,
    RateUsedUp,
    ScopeMissing,
)
from config.access.gate import Gate
from config.access.keys import RANDOM_BYTES, ApiKey, KeyScope, make_key

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = make_key(bytes(RANDOM_BYTES))
SENT = f"Bearer {KEY.text}"


def kept(*scopes: KeyScope, **named: Any) -> ApiKey:
    rest = {"requests_a_minute": None, "expires_at": None, "revoked_at": None, **named}
    return ApiKey(prefix=KEY.prefix, secret_sha256=KEY.secret_sha256, scopes=scopes, **rest)


def gate(*keys: ApiKey, anonymous: frozenset[str] = frozenset()) -> Gate:
    async def find(prefix: str) -> ApiKey | None:
        return {key.prefix: key for key in keys}.get(prefix)

    return Gate(find, anonymous=anonymous, now=lambda: NOW)


class TestGate:
    @pytest.mark.parametrize("scopes", [("read",), ("write", "read"), ("admin",)])
    async def test_lets_in_who_holds_a_key_for_it(self, scopes: tuple[KeyScope, ...]) -> None:
        key = kept(*scopes)

        assert await gate(key).admit(SENT, needs="read") is key

    @pytest.mark.parametrize(("scopes", "needs"), [(("read",), "write"), (("write",), "read")])
    async def test_names_the_scope_a_key_lacks(self, scopes: tuple[KeyScope, ...], needs: KeyScope) -> None:
        with pytest.raises(ScopeMissing, match=f"no scope `{needs}`") as refused:
            await gate(kept(*scopes)).admit(SENT, needs=needs)

        assert refused.value.challenge == f'Bearer realm="factfold", error="insufficient_scope", scope="{needs}"'

    @pytest.mark.parametrize("sent", [None, "Basic dXNlcjpwYXNzd29yZA=="])
    async def test_asks_strangers_for_a_key(self, sent: str | None) -> None:
        with pytest.raises(KeyMissing) as refused:
            await gate().admit(sent, needs="write")

        assert refused.value.challenge == 'Bearer realm="factfold", scope="write"'

    async def test_lets_strangers_do_what_is_open_to_all_and_no_more(self) -> None:
        opened = gate(anonymous=frozenset({"read"}))

        assert await opened.admit(None, needs="read") is None
        with pytest.raises(KeyMissing):
            await opened.admit(None, needs="write")

    @pytest.mark.parametrize("anonymous", [frozenset[str](), frozenset({"read", "write"})])
    async def test_refuses_a_wrong_key_wherever_it_is_sent(self, anonymous: frozenset[str]) -> None:
        with pytest.raises(KeyUnknown):
            await gate(anonymous=anonymous).admit(SENT, needs="read")

    async def test_tells_a_wrong_secret_nothing_of_the_key(self) -> None:
        wrong = make_key(bytes(6) + bytes([1]) * 32)

        with pytest.raises(KeyUnknown):
            await gate(kept("read", revoked_at=NOW)).admit(f"Bearer {wrong.text}", needs="read")

    @pytest.mark.parametrize("later", [timedelta(0), timedelta(days=1)])
    async def test_refuses_a_key_from_the_instant_it_expires(self, later: timedelta) -> None:
        with pytest.raises(KeyExpired, match="expired at 2026-11-"):
            await gate(kept("read", expires_at=NOW - later)).admit(SENT, needs="read")

    async def test_lets_a_key_in_until_then(self) -> None:
        key = kept("read", expires_at=NOW + timedelta(microseconds=1))

        assert await gate(key).admit(SENT, needs="read") is key

    async def test_refuses_a_revoked_key(self) -> None:
        with pytest.raises(KeyRevoked, match="revoked at 2026-11-20T12:00:00Z"):
            await gate(kept("read", revoked_at=NOW)).admit(SENT, needs="read")

    async def test_counts_only_what_it_lets_in(self) -> None:
        limited = gate(kept("read", requests_a_minute=1))

        with pytest.raises(ScopeMissing):
            await limited.admit(SENT, needs="write")
        await limited.admit(SENT, needs="read")
        with pytest.raises(RateUsedUp):
            await limited.admit(SENT, needs="read")

    @pytest.mark.parametrize(
        ("now", "admitted"),
        [
            (kept("read"), True),
            (kept("read", revoked_at=NOW), False),
            (kept("read", expires_at=NOW), False),
            (None, False),
        ],
    )
    async def test_knows_whether_it_would_let_a_key_in_again(self, now: ApiKey | None, admitted: bool) -> None:
        later = gate(now) if now else gate()

        assert await later.still_admits(kept("read")) is admitted

    async def test_stands_by_a_key_it_cannot_look_up(self) -> None:
        async def away(prefix: str) -> ApiKey | None:
            raise KeysUnavailable

        assert await Gate(away, anonymous=()).still_admits(kept("read"))

    @pytest.mark.parametrize("sent", [None, SENT, f"Bearer {'x' * 60}"])
    async def test_says_what_to_do_whatever_was_wrong(self, sent: str | None) -> None:
        with pytest.raises(NotAdmitted) as refused:
            await gate().admit(sent, needs="read")

        assert refused.value.code == "unauthenticated"
        assert "manage.py create_key" in refused.value.fix
