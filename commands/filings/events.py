"""What can have happened to a filing. The only file of this folder that others import."""

from datetime import date, datetime

import msgspec

FactValue = tuple[str | None, str, str]
"""(start or None for an instant, end, value): ISO dates and an exact decimal as text."""

ConceptFacts = tuple[str, str, tuple[FactValue, ...]]
"""(concept with its taxonomy, unit, values), such as ("us-gaap:Assets", "USD", ...)."""


class FilingReported(msgspec.Struct, frozen=True, kw_only=True):
    """A filing with its facts became known. Facts are sorted by concept, unit, end and start."""

    cik: int
    accession: str
    form: str
    filed_on: date
    accepted_at: datetime | None
    source: str
    facts: tuple[ConceptFacts, ...]


class FilingCorrected(FilingReported, frozen=True, kw_only=True):
    """What was recorded of a filing was wrong or incomplete; this is its whole content now."""


class FilingWithdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """A filing counts no more from `withdrawn_at` on; answers as of an earlier instant still use it."""

    cik: int
    accession: str
    withdrawn_at: datetime
    reason: str
