"""
What the read tables must hold, worked out the slow and simple way: one company at a time, from all of its events.

No batches, no windows, no differences: only the rules of `projections.financials` and the order of the log. What the
projector writes is compared with this by `verify` and by the property tests.
"""

from collections.abc import Iterable
from datetime import date, datetime

import msgspec

from commands.companies import events as company_events
from commands.filings import events as filing_events
from commands.messages import RecordedEvent
from projections.figures.batch import decode
from projections.figures.changes import Change, changes_of
from projections.figures.filed_facts import copies_of, period_ends
from projections.figures.rows import CompanyRow, FilingRow
from projections.financials.copies import Copy
from projections.financials.resolution import Resolved, resolve
from projections.financials.splits import Split, find_splits


class CompanyFold(msgspec.Struct):
    """All that one company's events amount to."""

    company: CompanyRow
    filings: dict[str, FilingRow] = msgspec.field(default_factory=dict)
    facts: dict[str, tuple[filing_events.ConceptFacts, ...]] = msgspec.field(default_factory=dict)
    acceptances: dict[str, datetime] = msgspec.field(default_factory=dict)
    links: dict[int, date] = msgspec.field(default_factory=dict)
    changes: list[Change] = msgspec.field(default_factory=list)

    @classmethod
    def registered(cls, body: company_events.CompanyRegistered, event: RecordedEvent) -> "CompanyFold":
        """A company of which nothing else is known."""
        company = CompanyRow.registered(body)
        return cls(company=company, changes=list(changes_of(body, event, before=None, after=company)))

    def apply(self, body: object, event: RecordedEvent) -> None:
        """This will take in the company's next event."""
        before = msgspec.structs.replace(self.company)
        self._take_in(body, event)
        self.changes.extend(changes_of(body, event, before=before, after=self.company))

    def _take_in(self, body: object, event: RecordedEvent) -> None:
        match body:
            case company_events.CompanyReclassified():
                self.company.reclassify(body, at=event.recorded_at)
            case company_events.CompanyRenamed():
                self.company.rename(body)
            case company_events.CompanyMerged():
                self.links[body.predecessor_cik] = body.effective_on
            case company_events.TickersChanged():
                self.company.tickers = list(body.tickers)
            case company_events.AcceptanceRecorded():
                for accession, accepted_at in body.filings:
                    self.acceptances[accession] = accepted_at
                    if accession in self.filings:
                        self.filings[accession].accepted_at = accepted_at
            case filing_events.FilingReported():
                self._report(body, event.position)
            case filing_events.FilingWithdrawn():
                self.filings[body.accession].withdrawn_at = body.withdrawn_at
            case _:
                raise TypeError(f"the plain fold does not know {type(body).__name__}")

    def _report(self, body: filing_events.FilingReported, position: int) -> None:
        self.facts[body.accession] = body.facts
        period_end, year_end = period_ends(body)
        self.filings[body.accession] = FilingRow(
            cik=body.cik,
            accession=body.accession,
            form=body.form,
            filed_on=body.filed_on,
            accepted_at=body.accepted_at or self.acceptances.get(body.accession),
            period_end=period_end,
            year_end=year_end,
            source=body.source,
            fact_count=sum(len(values) for _, _, values in body.facts),
            position=position,
        )

    @property
    def latest_fiscal_year_end(self) -> date | None:
        """The newest year end an annual report that counts has shown."""
        ends = (filing.year_end for filing in self.filings.values() if filing.withdrawn_at is None)
        return max(filter(None, ends), default=None)

    def fact_rows(self) -> set[tuple[str, str, date | None, date, str, str]]:
        """(concept, unit, start, end, accession, value) of every copy of every fact."""
        return {
            (concept, unit, None if start is None else date.fromisoformat(start), date.fromisoformat(end), key, value)
            for key, facts in self.facts.items()
            for concept, unit, values in facts
            for start, end, value in values
        }

    def copies(self) -> list[Copy]:
        """Every copy that may feed a metric."""
        return [copy for key, facts in sorted(self.facts.items()) for copy in copies_of(self.filings[key], facts)]

    def resolved(self) -> Resolved:
        """Every version of every metric value, and every broken check."""
        return resolve(self.copies(), sic=self.company.sic, wanted=lambda end: True)

    def splits(self) -> list[Split]:
        """The splits the filings show."""
        return find_splits(self.copies())


def fold_events(events: Iterable[RecordedEvent], *, parked: Iterable[tuple[str, int]] = ()) -> dict[int, CompanyFold]:
    """
    This will fold events in log order into the state of every company, by CIK.

    `parked` names streams and the position at which each was set aside: what follows there does not count.
    """
    cut = dict(parked)
    folds: dict[int, CompanyFold] = {}
    for event in events:
        if event.stream in cut and event.position >= cut[event.stream]:
            continue
        body = decode(event)
        if isinstance(body, company_events.CompanyRegistered):
            folds[body.cik] = CompanyFold.registered(body, event)
        else:
            folds[body.cik].apply(body, event)
    return folds
