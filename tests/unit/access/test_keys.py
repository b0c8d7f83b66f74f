"""What a key looks like, and what is read of one."""

import hashlib

import msgspec
import pytest

from config.access.errors import KeyUnknown
from config.access.keys import RANDOM_BYTES, Credential, make_key, read_credential

KEY = make_key(bytes(range(RANDOM_BYTES)))


class TestMakeKey:
    def test_shows_the_prefix_and_then_the_secret(self) -> None:
        assert KEY.text == "ff_000102030405_BgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCU"
        assert KEY.prefix == "000102030405"

    def test_keeps_the_hash_of_the_secret_only(self) -> None:
        secret = KEY.text.removeprefix("ff_000102030405_")

        assert KEY.secret_sha256 == hashlib.sha256(secret.encode()).digest()


class TestReadCredential:
    @pytest.mark.parametrize("sent", [f"Bearer {KEY.text}", f"bearer {KEY.text}", f"BEARER   {KEY.text} "])
    def test_finds_the_key_of_a_bearer(self, sent: str) -> None:
        assert read_credential(sent) == Credential(prefix=KEY.prefix, secret_sha256=KEY.secret_sha256)

    def test_reads_back_whatever_key_is_made(self) -> None:
        keys = [make_key(hashlib.sha512(bytes([n])).digest()) for n in range(256)]

        read = [read_credential(f"Bearer {key.text}") for key in keys]

        assert any("_" in key.text[16:] for key in keys)
        assert any("-" in key.text for key in keys)
        assert read == [Credential(prefix=key.prefix, secret_sha256=key.secret_sha256) for key in keys]

    def test_shows_no_secret_when_it_is_printed(self) -> None:
        assert KEY.text[16:] not in repr(read_credential(f"Bearer {KEY.text}"))

    @pytest.mark.parametrize("sent", [None, "", "Basic dXNlcjpwYXNzd29yZA==", "Bearer", "Bearer ", KEY.text])
    def test_finds_none_where_none_is_sent(self, sent: str | None) -> None:
        assert read_credential(sent) is None

    @pytest.mark.parametrize(
        "sent",
        [
            KEY.text[:-1],
            KEY.text + "A",
            KEY.text.upper(),
            KEY.text.replace("ff_", "fg_"),
            KEY.text.replace("000102", "00010٢"),
            f"{KEY.text} {KEY.text}",
            "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
        ],
    )
    def test_knows_no_bearer_that_is_no_key(self, sent: str) -> None:
        with pytest.raises(KeyUnknown):
            read_credential(f"Bearer {sent}")


def test_a_credential_holds_no_more_than_what_is_compared() -> None:
    assert [field.name for field in msgspec.structs.fields(Credential)] == ["prefix", "secret_sha256"]
