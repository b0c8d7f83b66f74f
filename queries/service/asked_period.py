"""Periods in a reader's words: CY2023, CY2023Q3, CY2023Q3I, CY2023Q3TTM, FY2023, FY2023Q2, or the day one ends."""

import re
from datetime import date
from typing import Literal

import msgspec

PERIOD_PATTERN = r"^(CY\d{4}(Q[1-4](I|TTM)?)?|FY\d{4}(Q[1-4])?|\d{4}-\d{2}-\d{2})$"
"""What readers are told a period looks like; lower case is read as well."""
LATEST_OR_PERIOD_PATTERN = f"^latest$|{PERIOD_PATTERN}"

_FORM = re.compile(r"(?P<kind>CY|FY)(?P<year>[1-9]\d{3})(?:Q(?P<quarter>[1-4])(?P<suffix>I|TTM)?)?", re.IGNORECASE)


class AskedPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """
    A period as it was asked for.

    `calendar` and `fiscal` ones have a year and perhaps a quarter, `trailing` ones are the twelve months up to its end;
    an `end` names the day a company's own period ends.
    """

    kind: Literal["calendar", "fiscal", "end"]
    year: int
    quarter: int | None = None
    instant: bool = False
    trailing: bool = False
    end: date | None = None

    @property
    def label(self) -> str:
        """The same period in its usual spelling."""
        if self.end is not None:
            return self.end.isoformat()
        prefix = "CY" if self.kind == "calendar" else "FY"
        quarter = f"Q{self.quarter}" if self.quarter else ""
        suffix = "I" if self.instant else "TTM" if self.trailing else ""
        return f"{prefix}{self.year}{quarter}{suffix}"


def read_period(text: str) -> AskedPeriod:
    """
    This will read a period.

    Raises:
        ValueError: the text is none of the known forms.
    """
    match = _FORM.fullmatch(text.strip())
    if match:
        quarter = match["quarter"]
        kind: Literal["calendar", "fiscal"] = "calendar" if match["kind"].upper() == "CY" else "fiscal"
        suffix = (match["suffix"] or "").upper()
        if not (kind == "fiscal" and suffix):
            return AskedPeriod(
                kind=kind,
                year=int(match["year"]),
                quarter=int(quarter) if quarter else None,
                instant=suffix == "I",
                trailing=suffix == "TTM",
            )
    try:
        end = date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("it is not a period such as CY2023, CY2023Q3, CY2023Q3I, FY2023 or 2023-09-30") from None
    return AskedPeriod(kind="end", year=end.year, end=end)


def read_period_or_latest(text: str) -> AskedPeriod | None:
    """
    This will read a period; None stands for the latest one.

    Raises:
        ValueError: the text is none of the known forms.
    """
    return None if text.strip().lower() == "latest" else read_period(text)
