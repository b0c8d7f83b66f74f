"""What a decision may look at."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from commands.companies.state import CompanyState
from commands.filings.state import FilingState


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """
    The company a command speaks of, the filing it names, and the time; None where there is no such thing.

    `acceptances` holds the acceptance times recorded for the accessions the command names, `other_companies` the
    registered ones among the other companies it names.
    """

    now: datetime
    company: CompanyState | None = None
    filing: FilingState | None = None
    acceptances: Mapping[str, datetime] = {}
    other_companies: frozenset[int] = frozenset()
