"""Copies of facts as the sources have them: one value of one filing each."""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from commands.filings.report_filing import ReportFiling
from queries.metrics.periods import known_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What one filing says of one concept over one period; `start` is None for an instant."""

    concept: str
    unit: str
    start: date | None
    end: date
    value: Decimal
    accession: str
    form: str
    filed_on: date
    known_at: datetime
    source: str = "companyfacts"
    withdrawn_at: datetime | None = None
    frame: str | None = None


def copies_of_companyfacts(path: Path, *, accepted: dict[str, datetime] | None = None) -> list[Copy]:
    """This will read every copy in a companyfacts file (.json or .json.gz) of one company."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(copies_of_document(json.loads(content, parse_float=Decimal), accepted=accepted or {}))


def copies_of_document(
    document: dict[str, dict[str, dict[str, dict[str, dict[str, list[dict[str, object]]]]]]],
    *,
    accepted: dict[str, datetime],
) -> Iterator[Copy]:
    """This will give every copy of a decoded companyfacts document."""
    for taxonomy, tags in document["facts"].items():
        for tag, concept in tags.items():
            for unit, facts in concept["units"].items():
                for fact in facts:
                    accession, filed_on = str(fact["accn"]), date.fromisoformat(str(fact["filed"]))
                    frame = fact.get("frame")
                    yield Copy(
                        concept=f"{taxonomy}:{tag}",
                        unit=unit,
                        start=date.fromisoformat(str(fact["start"])) if fact.get("start") else None,
                        end=date.fromisoformat(str(fact["end"])),
                        value=Decimal(str(fact["val"])),
                        accession=accession,
                        form=str(fact["form"]),
                        filed_on=filed_on,
                        known_at=known_at(filed_on, accepted.get(accession)),
                        frame=str(frame) if frame else None,
                    )


def copies_of_filings(filings: Iterable[ReportFiling]) -> list[Copy]:
    """This will give every copy of some filings of one company."""
    return [
        Copy(
            concept=concept,
            unit=unit,
            start=date.fromisoformat(start) if start else None,
            end=date.fromisoformat(end),
            value=Decimal(value),
            accession=filing.accession,
            form=filing.form,
            filed_on=filing.filed_on,
            known_at=known_at(filing.filed_on, filing.accepted_at),
            source=filing.source,
        )
        for filing in filings
        for concept, unit, values in filing.facts
        for start, end, value in values
    ]
