"""Our calendar labels beside the `frame` labels that companyfacts files carry."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from queries.metrics.periods import calendar_label, duration_days, period_type

PERIODIC_FORMS = frozenset({"10-K", "10-Q", "10-KT", "10-QT", "20-F", "40-F", "6-K"})

SHORT_SPAN = "a span of up to 45 days, labelled as if it were an instant"
SHORT_QUARTER = "a quarter of 57 to 80 days: shorter than any quarter of ours"
SHORT_YEAR = "a year of 336 to 350 days: shorter than any year of ours"
UNEXPLAINED_LABEL = "unexplained: another label"

CURRENT_REPORT = "an 8-K holds the label: it counts only where no periodic report has the fact"
NEVER_COUNTS = "a proxy statement, prospectus or other form that never counts holds the label"
NO_HOLDER = "no copy in the file holds the label"
EQUALLY_NEAR = "two periods known the same day end equally far before and after, and the other one holds the label"
OTHER_LENGTH = "two periods end equally near: the one of the more usual length holds the label, ours was known later"
OLDER_COPY = "an older copy of the same period holds the label"
UNEXPLAINED_WINNER = "unexplained: another copy holds the label"


@dataclass(slots=True, kw_only=True)
class FrameAgreement:
    """
    How often we and the files agree; differences are counted under the rule that explains them.

    `labels` counts facts with a `frame` whose length is one of our classes; `winners` counts the labels of one concept
    and unit whose `frame` stands on a copy of a periodic report.
    """

    companies: int = 0
    facts: int = 0
    labelled: int = 0
    labels: int = 0
    labels_agreeing: int = 0
    winners: int = 0
    winners_agreeing: int = 0
    label_differences: Counter[str] = field(default_factory=Counter)
    winner_differences: Counter[str] = field(default_factory=Counter)
    not_compared: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _LabelledCopy:
    start: date | None
    end: date
    offset: int
    filed: str
    accession: str
    form: str
    holds: bool

    @property
    def is_periodic(self) -> bool:
        return self.form.removesuffix("/A") in PERIODIC_FORMS


def compare_company(content: bytes, agreement: FrameAgreement) -> None:
    """
    This will compare every `frame` of one companyfacts document with our label of the same fact, and its holder with
    the copy our rule would take, and add the outcome to what was found before.

    Raises:
        ValueError: the text is no companyfacts document.
    """
    try:
        document = json.loads(content)
        taxonomies: Mapping[str, Any] = document["facts"]
        agreement.companies += 1
        for taxonomy, tags in taxonomies.items():
            for tag, concept in tags.items():
                for unit, facts in concept["units"].items():
                    _compare_facts(f"CIK {document['cik']} {taxonomy}:{tag} in {unit}", facts, agreement)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no companyfacts document: {error!r}") from error


def _compare_facts(place: str, facts: Iterable[Mapping[str, Any]], agreement: FrameAgreement) -> None:
    by_label: dict[str, list[_LabelledCopy]] = {}
    for fact in facts:
        start = date.fromisoformat(fact["start"]) if fact.get("start") else None
        end = date.fromisoformat(fact["end"])
        frame = fact.get("frame")
        days = duration_days(start, end)
        label, offset = calendar_label(end, days)
        agreement.facts += 1
        if frame:
            _compare_label(f"{place}, {start or ''}..{end}", frame, label, days, agreement)
        if label:
            by_label.setdefault(label, []).append(
                _LabelledCopy(
                    start=start,
                    end=end,
                    offset=offset,
                    filed=fact["filed"],
                    accession=fact["accn"],
                    form=fact["form"],
                    holds=frame == label,
                )
            )
    for label, copies in by_label.items():
        _compare_winner(place, label, copies, agreement)


def _compare_label(place: str, frame: str, label: str | None, days: int, agreement: FrameAgreement) -> None:
    agreement.labelled += 1
    if period_type(days) is not None:
        agreement.labels += 1
        if label == frame:
            agreement.labels_agreeing += 1
            return
        rule = UNEXPLAINED_LABEL
    elif frame.endswith("I") and days <= 45:
        rule = SHORT_SPAN
    elif "Q" in frame and 57 <= days <= 80:
        rule = SHORT_QUARTER
    elif "Q" not in frame and 336 <= days <= 350:
        rule = SHORT_YEAR
    else:
        rule = UNEXPLAINED_LABEL
    agreement.label_differences[rule] += 1
    if rule == UNEXPLAINED_LABEL:
        agreement.unexplained.append(f"{place}: {frame} in the file, {label} by our rule")


def _compare_winner(place: str, label: str, copies: list[_LabelledCopy], agreement: FrameAgreement) -> None:
    holder = next((copy for copy in copies if copy.holds), None)
    if holder is None:
        agreement.not_compared[NO_HOLDER] += 1
        return
    if not holder.is_periodic:
        agreement.not_compared[CURRENT_REPORT if holder.form.startswith("8-K") else NEVER_COUNTS] += 1
        return
    agreement.winners += 1
    ours = max(
        (copy for copy in copies if copy.is_periodic),
        key=lambda copy: (-abs(copy.offset), copy.filed, copy.accession),
    )
    if ours is holder or (ours.start, ours.end, ours.accession) == (holder.start, holder.end, holder.accession):
        agreement.winners_agreeing += 1
        return
    rule = _winner_rule(holder, ours)
    agreement.winner_differences[rule] += 1
    if rule == UNEXPLAINED_WINNER:
        agreement.unexplained.append(
            f"{place}, {label}: {holder.start or ''}..{holder.end} of {holder.accession} in the file, "
            f"{ours.start or ''}..{ours.end} of {ours.accession} by our rule"
        )


def _winner_rule(holder: _LabelledCopy, ours: _LabelledCopy) -> str:
    if (holder.start, holder.end) == (ours.start, ours.end):
        return OLDER_COPY if holder.filed <= ours.filed else UNEXPLAINED_WINNER
    if abs(holder.offset) != abs(ours.offset):
        return UNEXPLAINED_WINNER
    if _unusual(holder) < _unusual(ours):
        return OTHER_LENGTH
    return EQUALLY_NEAR if holder.filed == ours.filed else UNEXPLAINED_WINNER


def _unusual(copy: _LabelledCopy) -> float:
    """How far a period's length, its last day not counted, is from that of a year or a quarter."""
    days = duration_days(copy.start, copy.end)
    return abs(days - 1 - (365.25 if period_type(days) == "annual" else 365.25 / 4))
