"""
By which rules a version of a projection was folded.

What the catalogue says and what the code makes of it decide the figures. Each version remembers a fingerprint of both:
a release that works figures out in another way says so, instead of writing its own between those of the last unseen.
"""

import hashlib

import msgspec
import psycopg

from commands.sql import load_statements
from projections.projection import Projection, Version
from queries.metrics.applicability import COMPANY_KINDS
from queries.metrics.catalogue import Catalogue, Metric

_SQL = load_statements("projections", "rules.sql")

EDITION = 3
"""Of the code between facts and figures. It rises with each change by which the same facts give other rows."""

_ONLY_TOLD = frozenset({"label", "description", "statement", "category", "display", "published"})
"""What the catalogue says of a metric that no figure depends on."""

OTHER_RULES = (
    "the live figures were folded by other rules than this release's; "
    "run `manage.py rebuild figures --accept-differences`"
)


def fingerprint(catalogue: Catalogue, *, edition: int = EDITION) -> str:
    """This will tell two sets of rules apart: what the metrics of a catalogue mean, and the code that follows it."""
    meanings = sorted((metric.key, _meaning(metric)) for metric in catalogue.metrics)
    return hashlib.sha256(msgspec.json.encode((edition, COMPANY_KINDS, meanings))).hexdigest()[:16]


def _meaning(metric: Metric) -> dict[str, object]:
    said = msgspec.structs.asdict(metric)
    return {name: said[name] for name in sorted(said.keys() - _ONLY_TOLD)}


def adopt_rules(connection: psycopg.Connection, projection: Projection) -> None:
    """This will have every version into which nothing was folded yet remember the rules of this release."""
    connection.execute(_SQL["adopt"], {"name": projection.name, "rules": projection.rules})


def is_of_other_rules(connection: psycopg.Connection, projection: Projection, version: Version) -> bool:
    """Whether a version was folded by other rules than this release's; so was one that does not know."""
    row = connection.execute(_SQL["recorded"], version.key).fetchone()
    return row != (projection.rules,)
