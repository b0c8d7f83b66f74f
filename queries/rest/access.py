"""Who may read. The one place where a reader is let in; keys will be checked here."""

from queries.errors import QueryError


def admit(*, anonymous: bool) -> None:
    """
    This will let a reader in where the installation is open to everybody.

    Raises:
        QueryError: the installation wants to know who is asking.
    """
    if not anonymous:
        raise QueryError(
            code="unauthenticated",
            message="this installation does not answer anonymous readers",
            fix="Send an API key as `Authorization: Bearer KEY`, or let the operator set FACTFOLD_ANONYMOUS=1 "
            "on an installation that listens on loopback only.",
        )
