"""What an API key is: `ff_<prefix>_<secret>`, of which only the prefix and a hash of the secret are kept."""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, get_args

import msgspec

from config.access.errors import KeyUnknown

KeyScope = Literal["read", "write", "admin"]
KEY_SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
"""`read` for figures, over REST and MCP; `write` for commands; `admin` for both and whatever comes."""

_PREFIX_BYTES = 6
_SECRET_BYTES = 32
RANDOM_BYTES = _PREFIX_BYTES + _SECRET_BYTES
_BEARER = re.compile(r"bearer +(.*\S) *", re.IGNORECASE | re.DOTALL)
_KEY = re.compile(r"ff_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was just made. `text` is all its holder needs, and is kept nowhere."""

    prefix: str
    secret_sha256: bytes
    text: str


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What a request shows of the key it came with: whose it says it is, and the hash of its secret."""

    prefix: str
    secret_sha256: bytes


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """
    A key as it is kept: what it may do and until when.

    `requests_a_minute` is None where it may ask as often as it likes.
    """

    prefix: str
    secret_sha256: bytes
    scopes: Sequence[KeyScope]
    requests_a_minute: int | None
    expires_at: datetime | None
    revoked_at: datetime | None

    def grants(self, scope: KeyScope) -> bool:
        """Whether it may do what needs a scope."""
        return scope in self.scopes or "admin" in self.scopes


def make_key(random: bytes) -> NewKey:
    """This will make a key from `RANDOM_BYTES` bytes that nobody can guess."""
    prefix = random[:_PREFIX_BYTES].hex()
    secret = urlsafe_b64encode(random[_PREFIX_BYTES:RANDOM_BYTES]).rstrip(b"=").decode("ascii")
    return NewKey(prefix=prefix, secret_sha256=_hash(secret), text=f"ff_{prefix}_{secret}")


def read_credential(authorization: str | None) -> Credential | None:
    """
    This will read the key of an `Authorization` header; None where the header brings none.

    Raises:
        KeyUnknown: what it brings as a bearer is no key of ours.
    """
    bearer = _BEARER.fullmatch(authorization or "")
    if bearer is None:
        return None
    key = _KEY.fullmatch(bearer[1])
    if key is None:
        raise KeyUnknown
    return Credential(prefix=key[1], secret_sha256=_hash(key[2]))


def _hash(secret: str) -> bytes:
    # 256 random bits cannot be guessed from their hash, so it need not be a slow one.
    return hashlib.sha256(secret.encode("ascii")).digest()
