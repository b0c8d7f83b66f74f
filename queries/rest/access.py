"""Who may read. The one place where a reader is let in."""

from queries.errors import QueryError

FIX = (
    "Let the operator set FACTFOLD_ANONYMOUS=true where only those reach this address who may read and write: "
    "there are no API keys yet."
)


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
            fix=FIX,
        )
