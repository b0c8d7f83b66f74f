"""What events changed, in the words in which readers are told of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import psycopg

from commands.companies import events as company_events
from commands.filings import events as filing_events
from commands.messages import RecordedEvent
from commands.sql import load_statements
from projections.copying import NULL, copy_lines, escape, line_of
from projections.figures.rows import CompanyRow
from projections.financials.names import display_name

_SQL = load_statements("projections.figures", "changes.sql")

_CLASSIFIED = ("sic", "country", "size_class")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `change`. `field` names which of a company's fields has another value `now` than it `was`."""

    position: int
    kind: str
    cik: int
    recorded_at: datetime
    accession: str | None = None
    field: str = ""
    was: str | None = None
    now: str | None = None


def changes_of(body: Any, event: RecordedEvent, *, before: CompanyRow | None, after: CompanyRow) -> Iterator[Change]:
    """This will tell what an event changed, given its company before and after it."""
    change = partial(Change, position=event.position, cik=body.cik, recorded_at=event.recorded_at)
    match body:
        case filing_events.FilingCorrected():
            yield change(kind="filing_corrected", accession=body.accession)
        case filing_events.FilingReported():
            yield change(kind="filing_reported", accession=body.accession)
        case filing_events.FilingWithdrawn():
            yield change(kind="filing_withdrawn", accession=body.accession)
        case company_events.AcceptanceRecorded():
            yield change(kind="filings_dated")
        case company_events.CompanyMerged():
            yield change(kind="company_merged", field="predecessor", now=str(body.predecessor_cik))
        case _ if before is None:
            yield change(kind="company_registered")
        case company_events.CompanyRenamed() if before.name_as_filed == after.name_as_filed:
            yield change(kind="company_renamed", field="former_names")
        case company_events.CompanyRenamed():
            was, now = display_name(before.name_as_filed), display_name(after.name_as_filed)
            yield change(kind="company_renamed", field="name", was=was, now=now)
        case company_events.TickersChanged():
            was, now = (" ".join(company.tickers) for company in (before, after))
            yield change(kind="company_tickers_changed", field="tickers", was=was or None, now=now or None)
        case company_events.CompanyReclassified():
            for field in _CLASSIFIED:
                held, holds = getattr(before, field), getattr(after, field)
                if held != holds:
                    yield change(kind="company_reclassified", field=field, was=held, now=holds)


def write_changes(connection: psycopg.Connection, changes: Sequence[Change]) -> None:
    """
    This will write what a batch changed.

    # Note [changes told late]
    Whoever has read up to a position asks for what comes after it. An event folded only when readers were told of a
    later position, as when its stream was parked, is therefore told with the next position. The lock on that position
    is held until this transaction ends: no reader is told of the next one before he can read these rows.
    """
    if not changes:
        return
    copy_lines(connection, _SQL["copy_changes"], map(_line, changes))
    positions = [change.position for change in changes]
    told = connection.execute(_SQL["told_position"], {"position": min(positions)}).fetchone()
    if told is not None:
        connection.execute(_SQL["tell_late"], {"position": positions, "told_at": told[0] + 1})


def _line(change: Change) -> str:
    optional = (change.accession, change.was, change.now)
    accession, was, now = (NULL if text is None else escape(text) for text in optional)
    recorded_at = change.recorded_at.isoformat()
    return line_of((str(change.position), change.field, change.kind, str(change.cik), accession, was, now, recorded_at))
