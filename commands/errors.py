"""Why a command was refused, and what would be right."""

from collections.abc import Sequence

import msgspec


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a command: where (a JSON pointer into the command), why, and what would be right."""

    pointer: str
    reason: str
    fix: str


class CommandError(Exception):
    """
    A command was refused and nothing was written.

    `code` is stable and meant for programs, `message` says what is so, `fix` what to do about it.
    """

    def __init__(self, *, code: str, message: str, fix: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.errors = tuple(errors)


class InvalidCommand(CommandError):
    """Some fields of the command cannot be right; correct those that `errors` names and send it again."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        first = errors[0]
        more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(
            code="invalid_command",
            message=f"{first.pointer}: {first.reason}{more}",
            fix=first.fix,
            errors=errors,
        )


class UnknownCompany(CommandError):
    """The company has not been registered; send RegisterCompany first."""

    def __init__(self, *, cik: int, pointer: str = "/cik") -> None:
        super().__init__(
            code="unknown_company",
            message=f"No company with CIK {cik} is registered.",
            fix="Send RegisterCompany for this CIK first, or correct the CIK.",
            errors=(
                FieldError(pointer=pointer, reason="no such company", fix="register the company or correct the CIK"),
            ),
        )


class UnknownFiling(CommandError):
    """The company has not reported this accession; correct it or report the filing first."""

    def __init__(self, *, cik: int, accession: str) -> None:
        super().__init__(
            code="unknown_filing",
            message=f"Company {cik} has no filing {accession}.",
            fix="Correct the accession, or report the filing first.",
            errors=(FieldError(pointer="/accession", reason="no such filing", fix="correct the accession"),),
        )


class FilingAlreadyWithdrawn(CommandError):
    """The filing has been withdrawn; a withdrawal is final and needs no repeating."""

    def __init__(self, *, cik: int, accession: str) -> None:
        super().__init__(
            code="filing_already_withdrawn",
            message=f"Filing {accession} of company {cik} has been withdrawn.",
            fix="A withdrawal is final. Report corrected figures under the accession of their own filing.",
            errors=(FieldError(pointer="/accession", reason="the filing is withdrawn", fix="use another accession"),),
        )


class VersionConflict(CommandError):
    """Somebody else has written to the stream; read it again, decide anew, and send the version you have seen."""

    def __init__(self, *, stream: str, expected: int, actual: int) -> None:
        super().__init__(
            code="version_conflict",
            message=f"Stream {stream} stands at version {actual}, not {expected}.",
            fix=f"Look at what has changed, then send the command again expecting version {actual}.",
        )


class Busy(CommandError):
    """Others are writing what this would write; nothing of it was written. Send it again after a moment."""

    retry_after_seconds = 1

    def __init__(
        self, *, message: str = "Others are writing to the same companies, or the same Idempotency-Key is under way."
    ) -> None:
        super().__init__(
            code="busy",
            message=message,
            fix="Send it again after a moment, with the same Idempotency-Key if it had one.",
        )


class IdempotencyKeyReused(CommandError):
    """The key was used for another command; a new command needs a new key."""

    def __init__(self, *, key: str) -> None:
        super().__init__(
            code="idempotency_key_reused",
            message=f"Idempotency key {key!r} has been used for a different command.",
            fix="Send this command with a key of its own; repeat a key only with the very same command.",
        )
