"""
Schema `bi`: views of the live figures under stable names, and the role that may read them and nothing else.

# Note [views and the switch]
A view is bound to the tables of one version. The transaction that makes another version live makes the views anew
first, so that they follow or stay with the switch. That takes each view from its readers for a moment; it is tried for
a short while at a time, so that neither readers nor projectors queue up behind one reader who takes long.
"""

import time
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from commands.sql import load_statements
from projections.projection import Version, live_version
from queries.metrics.catalogue import is_changed_by_splits, load_catalogue
from queries.metrics.groupings import WHAT_GROUPS_ARE
from queries.read_models.aggregate import AGGREGATE
from queries.read_models.aggregate_fragment import SUMMED_UNITS
from queries.read_models.company import COMPANY
from queries.read_models.data_status import DATA_STATUS
from queries.read_models.declaration import ReadModel
from queries.read_models.filing import FILING
from queries.read_models.frame import FRAME
from queries.read_models.metric import METRIC
from queries.read_models.series import SERIES

_SQL = load_statements("projections", "bi.sql")

ROLE = "factfold_bi"

_TRIED_SECONDS = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
"""How long a reader of the views is waited for; as long again others are let in before the next attempt."""


class ViewsInUse(Exception):
    """Somebody reads the views of schema bi all the time; end their transactions (pg_stat_activity), then try again."""


class ViewsBuiltUpon(Exception):
    """Views of somebody's own stand on those of schema bi; the message names them and says what to do."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """
    A view of schema `bi`: what a row of it is, the read model whose columns it shares, and what its `own` columns mean:
    those that stand in no other view, or for something else there.
    """

    tells: str
    like: ReadModel
    own: Mapping[str, str] = {}


_LABEL = "CY2023, CY2023Q3, CY2023Q3TTM, CY2023Q3I (an instant)"
_PERIOD_STOOD_FOR = f"Calendar period the value stands for: {_LABEL}; null where the company's own fits none."

VIEWS: dict[str, View] = {
    "freshness": View(
        tells="How far the figures have come: one row.",
        like=DATA_STATUS,
        own={
            "position": "Every event up to this position is in the figures, but for those that wait.",
            "lag_ms": "Milliseconds from the recording of that event until it was readable.",
        },
    ),
    "company": View(
        tells="One row a company, as it is known now.",
        like=COMPANY,
        own={"ticker": "First of the tickers; null where the company has none."},
    ),
    "filing": View(tells="One row a filing.", like=FILING),
    "metric": View(
        tells="One row a metric of the catalogue.",
        like=METRIC,
        own={
            "metric": "Key of the metric, as in the other views; a column of company_year.",
            "split_sensitive": "Whether a share split changes it; values are as reported, whatever split came later.",
        },
    ),
    "metric_value": View(
        tells="The latest value of every metric for each of a company's own periods, with the company's groups.",
        like=SERIES,
        own={"period": _PERIOD_STOOD_FOR},
    ),
    "frame": View(
        tells="The one value that stands for a company in a calendar period. Ask by metric and period.",
        like=FRAME,
    ),
    "company_year": View(
        tells="One row a company and calendar year, one column a metric; balances are those at its end. Ask by year.",
        like=FRAME,
        own={"year": "Calendar year."},
    ),
    "group_aggregate": View(
        tells="Figures over groups of companies: one row a metric, calendar period and group.",
        like=AGGREGATE,
        own={
            "group_by": f"How companies are grouped, as they are classified today. {WHAT_GROUPS_ARE}.",
            "group_key": "The group: all, a sector, an SIC code or its first two digits, a country or a size class.",
            "n": "Companies of the group that have a value.",
            "mean": "Mean of the values.",
        },
    ),
    "vintage": View(
        tells="Every value a metric has had for a period, with the time in which the world knew it.",
        like=SERIES,
        own={"period": _PERIOD_STOOD_FOR, "known_to": "Until when it was the value (UTC); null while it is."},
    ),
    "restatement": View(
        tells="Every change of a value that had been known: the value before, the value after.",
        like=SERIES,
        own={
            "period": _PERIOD_STOOD_FOR,
            "known_from": "Since when the world could know the value after (UTC).",
            "previous_value": "The value before, in `unit`.",
            "value": "The value after, in `unit`.",
            "change": "value less previous_value.",
            "change_ratio": "change as a share of the size of previous_value; null where that is zero.",
            "previous_accession": "Filing that had made the value before known.",
            "accession": "Filing that made the value after known.",
            "latest": "Whether the value after still stands.",
            "flags": "Remarks on quality and derivation of the value after.",
        },
    ),
}

_IN_EVERY_VIEW: Mapping[str, str] = {
    "company": "Ticker of the company, or its name where it has none.",
    "name": "Name of the company as filed, cleaned for display.",
    "sector": "SIC division the company is in today.",
    "major_group": "First two digits of the SIC code the company has today.",
    "industry": "Four-digit SIC code the company has today.",
    "country": "Country of the business address, else of incorporation; two letters as in ISO 3166-1.",
    "size_class": "The filer's own size class, such as large_accelerated.",
    "label": "Name of the metric for people.",
    "period_type": "annual, quarterly, ttm or instant.",
    "period": f"Calendar period: {_LABEL}.",
    "year": "Calendar year of the period.",
    "value": "The exact value in `unit`.",
    "flags": "Remarks on quality and derivation.",
    "revision": "Which version of the value this is; 0 is the first that was known.",
}


def publish(database_url: str) -> None:
    """
    This will make schema, role and views as this release has them show the live version.

    Raises:
        ViewsBuiltUpon: something of somebody's own depends on views that have to be dropped.
        ViewsInUse: the views could not be had from their readers.
    """
    with psycopg.connect(database_url, autocommit=True) as connection, connection.transaction():
        show(connection, live_version(connection, "figures"))


def show(connection: psycopg.Connection, version: Version) -> None:
    """
    This will make the views show a version from the caller's commit on, and make what is missing of schema, role and
    views. See Note [views and the switch].

    Raises:
        ViewsBuiltUpon: something of somebody's own depends on views that have to be dropped.
        ViewsInUse: the views could not be had from their readers.
    """
    for seconds in _TRIED_SECONDS:
        try:
            with connection.transaction():
                version.enter(connection)
                connection.execute(
                    sql.SQL("set local lock_timeout = {}").format(sql.Literal(f"{seconds * 1000:.0f}ms"))
                )
                _make(connection)
        except psycopg.errors.LockNotAvailable:
            time.sleep(seconds)
        else:
            connection.execute("set local lock_timeout to default")
            return
    raise ViewsInUse(ViewsInUse.__doc__)


def hide(connection: psycopg.Connection) -> None:
    """
    This will drop the views, so that the tables below them can be altered; `publish` makes them again.

    Raises:
        ViewsBuiltUpon: something of somebody's own depends on them.
    """
    views = sql.SQL(", ").join(sql.Identifier("bi", name) for name in VIEWS)
    try:
        connection.execute(sql.SQL("drop view if exists {}").format(views))
    except psycopg.errors.DependentObjectsStillExist as error:
        raise ViewsBuiltUpon(
            "the views of schema bi have to be made anew, and what is not of this program stands on them:\n"
            f"{error.diag.message_detail}\n"
            "Nothing was changed. Drop that, do this again, and make it anew afterwards. On servers that only\n"
            "`manage.py up` starts: run `python3 manage.py up --servers-only`, and in another terminal\n"
            "`python3 manage.py dbshell -- -c 'drop view NAME'`, each with --data DIR where the folder is another one."
        ) from error


def _make(connection: psycopg.Connection) -> None:
    connection.execute(_SQL["schema"])
    connection.execute(_SQL["role"])
    try:
        with connection.transaction():
            _make_views(connection)
    except psycopg.errors.InvalidTableDefinition:
        # A column of another release is gone, elsewhere, or of another type.
        hide(connection)
        _make_views(connection)
    _describe(connection)
    if connection.execute(_SQL["role_exists"]).fetchone() == (True,):
        connection.execute(_SQL["grant"])
        views = sql.SQL(", ").join(sql.Identifier("bi", name) for name in VIEWS)
        connection.execute(sql.SQL("grant select on {} to {}").format(views, sql.Identifier(ROLE)))


def _make_views(connection: psycopg.Connection) -> None:
    cursor = psycopg.ClientCursor(connection)
    for name in VIEWS:
        match name:
            case "metric":
                cursor.execute(_SQL[name], {"catalogue": Jsonb(_catalogue())})
            case "group_aggregate":
                cursor.execute(_SQL[name], {"summed_units": sorted(SUMMED_UNITS)})
            case "company_year":
                statement: Any = _SQL[name].decode()
                cursor.execute(sql.SQL(statement).format(metrics=_metric_columns()))
            case _:
                cursor.execute(_SQL[name])


def _describe(connection: psycopg.Connection) -> None:
    told: list[sql.Composed] = []
    columns = connection.execute(_SQL["columns"], {"views": list(VIEWS)}).fetchall()
    for name, of_view in groupby(columns, key=lambda row: row[0]):
        view = sql.Identifier("bi", name)
        told.append(sql.SQL("comment on view {} is {};").format(view, sql.Literal(VIEWS[name].tells)))
        helps = column_helps(name)
        told += [
            sql.SQL("comment on column {} is {};").format(
                sql.Identifier("bi", name, column), sql.Literal(helps[column])
            )
            for _, column in of_view
        ]
    connection.execute(sql.Composed(told))


def column_helps(view: str) -> dict[str, str]:
    """What the columns of a view mean: in words of its own, else of all views, else of the read models."""
    of_metrics = {
        metric.key: f"{metric.label}, {metric.unit}. {metric.description}" for metric in load_catalogue().published()
    }
    shown = VIEWS[view]
    return {**of_metrics, **_told_of(SERIES), **_told_of(shown.like), **_IN_EVERY_VIEW, **shown.own}


def _told_of(read_model: ReadModel) -> dict[str, str]:
    return {column.name: column.help for column in read_model.columns}


def _catalogue() -> list[dict[str, Any]]:
    return [
        {
            "metric": metric.key,
            **msgspec.structs.asdict(metric),
            "concepts": None,
            "not_for": None,
            "split_sensitive": is_changed_by_splits(metric),
        }
        for metric in load_catalogue().published()
    ]


def _metric_columns() -> sql.Composed:
    column = sql.SQL("max(value) filter (where metric = {}) as {}")
    return sql.SQL(", ").join(
        column.format(sql.Literal(metric.key), sql.Identifier(metric.key)) for metric in load_catalogue().published()
    )
