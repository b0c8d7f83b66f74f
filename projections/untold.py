"""What readers of changes have still to be told, carried from tables to those that take their place."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
import psycopg

from commands.sql import load_statements

_SQL = load_statements("projections", "untold.sql")


class Untold(msgspec.Struct, frozen=True, kw_only=True):
    """
    `late`: where events are told that could be read only when readers had read on, by their positions; `replacements`:
    when figures took the place of others, by where that is told.
    """

    late: Mapping[int, int]
    replacements: Mapping[int, datetime]


def read_untold(connection: psycopg.Connection, key: Mapping[str, str | int]) -> Untold:
    """This will read what the version of this key, which was entered, has still to tell somebody."""
    return Untold(
        late=dict(connection.execute(_SQL["late"], key).fetchall()),
        replacements=dict(connection.execute(_SQL["replacements"]).fetchall()),
    )


def tell(connection: psycopg.Connection, untold: Untold) -> None:
    """This will have the version that was entered tell it, beside what it tells itself and no earlier."""
    late, replacements = untold.late, untold.replacements
    connection.execute(_SQL["tell_late"], {"position": [*late], "told_at": [*late.values()]})
    connection.execute(_SQL["tell_replacements"], {"told_at": [*replacements], "replaced_at": [*replacements.values()]})
