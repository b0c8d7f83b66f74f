"""Who the members of a group are."""

from typing import Annotated, Literal

from queries.read_models.declaration import column

Members = Literal["today", "then"]

MembersShown = Annotated[
    Members,
    column(
        "Who the members are: companies as classified `today`, or as classified `then`, at as_of or when each "
        "value became known.",
        example="today",
    ),
]
