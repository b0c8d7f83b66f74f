"""
The rules of docs/figures.md a second time: plain, slow and without a database, to be compared with the read tables.

Written from the document alone. One call answers for one instant, from the copies known then and nothing else.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from functools import cached_property
from itertools import pairwise

from queries.metrics.catalogue import Metric, load_catalogue
from tests.oracle.copies import Copy

DAY = timedelta(days=1)
MOMENT = timedelta.resolution
PERIODIC = {"10-K", "10-Q", "10-KT", "10-QT", "20-F", "40-F", "6-K"}
GRACE_DAYS = 20
SEAM_DAYS = 5
LONGEST_YEAR_DAYS = 381
SPLITS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 35, 40, 50, 60, 75, 80, 100, 150, 200, 250)
TWELVE_DECIMALS = Decimal(1).scaleb(-12)

Span = tuple[date | None, date]
Key = tuple[str, str, date | None, date]
"""Metric, period type (annual, quarterly, ttm, instant), start (None for an instant), end."""


@dataclass(frozen=True, slots=True)
class Figure:
    """
    A value in its unit; `concept` is None where a formula made it, `newest` the newest copy it was made from,
    `operands` minuend and subtrahend of a difference.
    """

    value: Decimal
    unit: str
    concept: str | None
    span: Span
    newest: Copy | None = None
    operands: tuple[Copy, ...] = ()


@dataclass(frozen=True, slots=True)
class Vintage:
    """The reporting cycle of a copy and whether it is an amendment that changed a value; the larger is the newer."""

    cycle: int
    amended: bool

    def age(self) -> tuple[int, bool]:
        return self.cycle, self.amended


class NoValue(Exception):
    """A formula has no result."""


def company_values(copies: Sequence[Copy], *, sic: str | None, as_of: datetime) -> dict[Key, tuple[Decimal, str]]:
    """This will give the value and unit of every metric for every period, as known at an instant."""
    company = _Company(copies, sic=sic, as_of=as_of)
    answers: dict[Key, tuple[Decimal, str]] = {}
    for metric in load_catalogue().metrics:
        for period_type in ("instant",) if metric.over == "instant" else ("annual", "quarterly", "ttm"):
            for figure in company.figures(metric.key, period_type):
                start, end = figure.span
                answers[metric.key, period_type, start, end] = figure.value, figure.unit
    return answers


def company_splits(copies: Iterable[Copy], *, as_of: datetime) -> dict[datetime, Decimal]:
    """This will give how many shares for one are counted in what became known from an instant on, by that instant."""
    counts = [copy for copy in _counting(copies, as_of) if _is_share_count(copy) and _most_trusted([copy])]
    of_fact: dict[tuple[str, Span], list[Copy]] = {}
    for copy in counts:
        of_fact.setdefault((copy.concept, (copy.start, copy.end)), []).append(copy)
    pairs: dict[tuple[datetime, str], dict[Decimal, list[tuple[Copy, Copy]]]] = {}
    for same_fact in of_fact.values():
        for before, after in pairwise(same_fact):
            ratio = _split_ratio(before.value, after.value)
            if ratio is not None and before.known_at < after.known_at:
                pairs.setdefault(_newest_last(after), {}).setdefault(ratio, []).append((before, after))
    found: list[tuple[datetime, Decimal]] = []
    begun: list[datetime] = []
    for (known_at, _), by_ratio in sorted(pairs.items(), key=lambda each: each[0]):
        for ratio in sorted(by_ratio):
            last_before = max(before.known_at for before, _ in by_ratio[ratio])
            heard = any(other == ratio and since > last_before for since, other in found)
            if heard or any(since == known_at for since, _ in found):
                continue
            closest = [pair for pair in by_ratio[ratio] if pair[0].known_at == last_before]
            begun.append(
                min(_on_new_basis_since(*pair, counts, never_before=max([last_before, *begun])) for pair in closest)
            )
            found.append((known_at, ratio))
    return {since: ratio for since, (_, ratio) in zip(begun, found, strict=True)}


def _is_share_count(copy: Copy) -> bool:
    catalogue = load_catalogue().by_key()
    if copy.concept in {*catalogue["shares_basic"].concepts, *catalogue["shares_diluted"].concepts}:
        return copy.unit == "shares" and period_class(copy.start, copy.end) in ("quarterly", "annual")
    in_issue = {"us-gaap:CommonStockSharesOutstanding", "ifrs-full:NumberOfSharesOutstanding"}
    return copy.concept in in_issue and copy.unit == "shares" and copy.start is None


def _on_new_basis_since(before: Copy, after: Copy, counts: list[Copy], *, never_before: datetime) -> datetime:
    """Back from the filing that shows a split, as long as the newest counts are more like the new than the old."""
    between: dict[tuple[datetime, str], list[Copy]] = {}
    for copy in counts:
        if copy.concept == after.concept and never_before < copy.known_at < after.known_at:
            between.setdefault(_newest_last(copy), []).append(copy)
    since = after.known_at
    for filing in sorted(between, reverse=True):
        count = max(between[filing], key=lambda copy: (copy.end, _days((copy.start, copy.end)))).value
        if count <= 0:
            break
        from_old = max(count / before.value, before.value / count)
        from_new = max(count / after.value, after.value / count)
        if from_new >= from_old:
            break
        since = filing[0]
    return since


def period_class(start: date | None, end: date) -> str:
    """This will say by its length alone what a span is: instant, quarterly, annual or other."""
    if start is None:
        return "instant"
    days = (end - start).days + 1
    if 81 <= days <= 101 or 111 <= days <= 121:
        return "quarterly"
    return "annual" if 351 <= days <= 381 else "other"


def same_day_years_before(day: date, years: int) -> date:
    """This will give the same day so many years earlier, the 28th for a 29 February."""
    if (day.month, day.day) == (2, 29):
        day -= DAY
    return day.replace(year=day.year - years)


class _Company:
    def __init__(self, copies: Sequence[Copy], *, sic: str | None, as_of: datetime) -> None:
        copies = _without_minus(copies)
        withdrawn_at = [copy.withdrawn_at for copy in copies if copy.withdrawn_at and copy.withdrawn_at <= as_of]
        # A period figures were once known for stays one, whatever is withdrawn.
        self.earlier = _Company(copies, sic=sic, as_of=max(withdrawn_at) - MOMENT) if withdrawn_at else None
        self.as_of, self.sic, self.all_copies = as_of, sic, copies
        self._then: dict[datetime, _Company] = {as_of: self}
        self.metrics = load_catalogue().by_key()
        self.kinds = _kinds_of_company(sic)
        self.by_concept: dict[str, dict[Span, list[Copy]]] = {}
        self.own_end: dict[str, date] = {}
        self.ever_said: dict[tuple[str, Span], list[Copy]] = {}
        for copy in _once_said(copies, as_of):
            self.ever_said.setdefault((copy.concept, (copy.start, copy.end)), []).append(copy)
        for copy in _counting(copies, as_of):
            self.by_concept.setdefault(copy.concept, {}).setdefault((copy.start, copy.end), []).append(copy)
            if _may_be_own_period(copy):
                self.own_end[copy.accession] = max(copy.end, self.own_end.get(copy.accession, copy.end))
        for concept in self.metrics["operating_expenses"].concepts:
            for span, stated in self.by_concept.get(concept, {}).items():
                self.by_concept[concept][span] = [copy for copy in stated if not self._is_all_costs(copy)]
        for metric in self.metrics.values():
            for concept in metric.continuing_concepts:
                self._take_out_what_continues(metric, self.by_concept.get(concept, {}))
            for concept in metric.concepts if metric.never_negative else ():
                by_span = self.by_concept.get(concept, {})
                self.by_concept[concept] = {
                    span: [copy for copy in copies if not _is_above_its_whole(copy, by_span)]
                    for span, copies in by_span.items()
                }
        self._candidates: dict[str, dict[Span, list[Copy]]] = {}
        self._operands: dict[str, dict[Span, list[Copy]]] = {}
        self._known: dict[tuple[str, str, Span], Figure | None] = {}
        self._twelve: dict[tuple[str, date], Figure | None] = {}
        self._quarters: dict[str, dict[Span, Figure]] = {}
        self._all: dict[tuple[str, str], list[Figure]] = {}

    # Which periods there are

    @cached_property
    def ends(self) -> set[date]:
        """The ends of quarters and years."""
        return {
            end
            for metric in self.metrics.values()
            if metric.over == "duration"
            for kind in ("annual", "quarterly")
            for _, end in self.spans(metric.key, kind)
        }

    def figures(self, key: str, period_type: str) -> list[Figure]:
        """This will give every figure of a metric over periods of one type."""
        if (key, period_type) not in self._all:
            if period_type == "ttm":
                found = [self.twelve_months(key, end) for end in sorted(self.ends)]
            else:
                found = [self.figure(key, period_type, span) for span in sorted(self.spans(key, period_type), key=str)]
            self._all[key, period_type] = [figure for figure in found if figure is not None]
        return self._all[key, period_type]

    def spans(self, key: str, period_type: str, seen: frozenset[str] = frozenset()) -> set[Span]:
        """This will give the periods for which a metric or, where it has a formula, its operands have anything."""
        metric = self.metrics[key]
        found = {span for span in self.candidates(metric) if period_class(*span) == period_type}
        if period_type == "quarterly":
            found |= set(self.quarters_from_year_to_date(metric))
        if metric.formula is not None:
            operands = [name for name in _operands(metric.formula) if self.metrics[name].over == metric.over]
            if all(f"ttm({name})" in metric.formula for name in operands):
                operands = [name for name, other in self.metrics.items() if other.kind == "reported"]
            for operand in {*operands} - seen - {key}:
                if self.metrics[operand].over == metric.over:
                    found |= self.spans(operand, period_type, seen | {key})
        if self.earlier is not None and not seen:
            found |= self.earlier.spans(key, period_type)
        return found

    def candidates(self, metric: Metric) -> dict[Span, list[Copy]]:
        """This will give by period the copies that rules 1 and 2 leave, the newest last."""
        if metric.key not in self._candidates:
            by_span: dict[Span, list[Copy]] = {}
            for concept in metric.concepts:
                for span, copies in self.by_concept.get(concept, {}).items():
                    if (span[0] is None) == (metric.over == "instant"):
                        fitting = [
                            copy
                            for copy in copies
                            if _fits(copy.unit, metric.unit) and not self.is_a_years_value(metric, copy)
                        ]
                        by_span.setdefault(span, []).extend(fitting)
            trusted = {span: _one_unit_a_filing(_most_trusted(copies), metric) for span, copies in by_span.items()}
            self._candidates[metric.key] = {
                span: sorted(copies, key=_newest_last) for span, copies in trusted.items() if copies
            }
        return self._candidates[metric.key]

    def _is_all_costs(self, expenses: Copy) -> bool:
        """Whether operating expenses hold the cost of revenue too, by what stands beside them."""

        def beside(key: str) -> Decimal | None:
            copies = [
                copy
                for concept in self.metrics[key].concepts
                for copy in self.by_concept.get(concept, {}).get((expenses.start, expenses.end), ())
                if (copy.accession, copy.unit) == (expenses.accession, expenses.unit)
            ]
            chosen = next(_in_order_of_choice(self.metrics[key], copies), None)
            return chosen.value if chosen else None

        revenue, gross, cost = beside("revenue"), beside("gross_profit"), beside("cost_of_revenue")
        income = beside("operating_income")
        income = beside("pretax_income") if income is None else income
        if revenue is None or income is None or (gross is None and cost is None):
            return False
        gross = gross if gross is not None else revenue - (cost or 0)
        explains_all = abs(revenue - expenses.value - income) * 100 <= revenue
        explains_gross = abs(gross - expenses.value - income) * 100 <= revenue
        return explains_all and not explains_gross

    def _take_out_what_continues(self, metric: Metric, continuing: dict[Span, list[Copy]]) -> None:
        """Without copies beside which their filing says of a period until the same day what the whole comes to."""
        totals = [
            (each.accession, each.unit, each.start, each.end, each.value)
            for concept in metric.concepts
            if concept not in metric.continuing_concepts
            for copies in self.by_concept.get(concept, {}).values()
            for each in copies
        ]
        told_apart = [
            part
            for copies in continuing.values()
            for part in copies
            for accession, unit, start, end, value in totals
            if (accession, unit, start, end) == (part.accession, part.unit, part.start, part.end)
            and value != part.value
        ]
        for span, copies in continuing.items():
            continuing[span] = [
                copy
                for copy in copies
                if not any(
                    (part.accession, part.unit, part.end) == (copy.accession, copy.unit, copy.end)
                    and (part.start or date.min) <= (copy.start or date.min)
                    for part in told_apart
                )
            ]

    def is_a_years_value(self, metric: Metric, quarter: Copy) -> bool:
        """Whether a quarter's copy gives what its filing says of the year, although the year had begun before."""
        if not metric.additive or quarter.start is None or period_class(quarter.start, quarter.end) != "quarterly":
            return False
        return any(
            year.accession == quarter.accession
            and (year.unit, year.value) == (quarter.unit, quarter.value)
            and self.had_something(metric, (start, quarter.start - DAY), known_at=quarter.known_at)
            for concept in metric.concepts
            for (start, end), copies in self.by_concept.get(concept, {}).items()
            if end == quarter.end and period_class(start, end) == "annual"
            for year in copies
        )

    def had_something(self, metric: Metric, span: Span, *, known_at: datetime) -> bool:
        """Whether anything but nothing is known of a span, and it was not known to be nothing at an instant."""
        said = [
            copy
            for concept in metric.concepts
            for copy in self.ever_said.get((concept, span), [])
            if _fits(copy.unit, metric.unit) and _most_trusted([copy])
        ]
        return any(copy.value for copy in said) and not any(
            copy.known_at <= known_at for copy in said if not copy.value
        )

    def operands(self, metric: Metric) -> dict[Span, list[Copy]]:
        """This will give by period the candidates that may be operands of a difference."""
        if metric.key not in self._operands:
            self._operands[metric.key] = {
                span: _operands_among(copies) for span, copies in self.candidates(metric).items()
            }
        return self._operands[metric.key]

    # One figure

    def figure(self, key: str, period_type: str, span: Span) -> Figure | None:
        """This will give a metric over one annual, quarterly or instant period, as filed or worked out."""
        place = (key, period_type, span)
        if place not in self._known:
            self._known[place] = None  # whoever asks again on the way is its own operand
            self._known[place] = self._figure(self.metrics[key], period_type, span)
        return self._known[place]

    def _figure(self, metric: Metric, period_type: str, span: Span) -> Figure | None:
        if self.not_applicable(metric):
            return None
        copies = self.candidates(metric).get(span)
        if copies:
            stated = _reported(metric, copies)
            return self._of_a_preferred_concept(metric, stated) or stated if period_type == "quarterly" else stated
        if period_type == "quarterly" and span in self.quarters_from_year_to_date(metric):
            return self.quarters_from_year_to_date(metric)[span]
        return self.worked_out(metric, period_type, span)

    def not_applicable(self, metric: Metric) -> bool:
        return any(kind in metric.not_for for kind in self.kinds)

    # Quarters from year to date

    def quarters_from_year_to_date(self, metric: Metric) -> dict[Span, Figure]:
        """This will give every quarter that is the difference of two spans that begin on the same day."""
        if metric.key not in self._quarters:
            self._quarters[metric.key] = self._quarters_from_year_to_date(metric) if metric.additive else {}
        return self._quarters[metric.key]

    def _quarters_from_year_to_date(self, metric: Metric) -> dict[Span, Figure]:
        found: dict[Span, list[tuple[tuple[int, bool], datetime, Figure]]] = {}
        candidates = self.operands(metric)
        for long in candidates:
            for short in candidates:
                assert long[0] is not None  # additive metrics are over durations
                if long[0] != short[0] or short[1] >= long[1] or (long[1] - long[0]).days + 1 > LONGEST_YEAR_DAYS:
                    continue
                quarter = (short[1] + DAY, long[1])
                if period_class(*quarter) == "quarterly":
                    difference = self._difference(metric, candidates[long], candidates[short], quarter)
                    if difference is not None:
                        found.setdefault(quarter, []).append(difference)
        return {quarter: max(ways, key=lambda way: way[:2])[2] for quarter, ways in found.items()}

    def _difference(
        self, metric: Metric, long: list[Copy], short: list[Copy], quarter: Span
    ) -> tuple[tuple[int, bool], datetime, Figure] | None:
        for vintage in sorted({self.vintage(copy) for copy in long}, key=Vintage.age, reverse=True):
            of_vintage = [copy for copy in long if self.vintage(copy) == vintage]
            for minuend in _in_order_of_choice(metric, of_vintage):
                counterparts = [
                    copy
                    for copy in short
                    if self.vintage(copy) == vintage and (copy.concept, copy.unit) == (minuend.concept, minuend.unit)
                ]
                if counterparts and self._are_of_one_basis(minuend, long, counterparts[-1], short):
                    subtrahend = counterparts[-1]
                    value = _signed(metric, minuend.concept, minuend.value - subtrahend.value)
                    if metric.never_negative and value < 0:
                        continue
                    newest = max(minuend, subtrahend, key=_newest_last)
                    figure = Figure(value, minuend.unit, minuend.concept, quarter, newest, (minuend, subtrahend))
                    return vintage.age(), max(minuend.known_at, subtrahend.known_at), figure
        return None

    def _of_a_preferred_concept(self, metric: Metric, stated: Figure) -> Figure | None:
        """The difference of another concept, by two filings whose values of the stated one also give what is stated."""
        difference = self.quarters_from_year_to_date(metric).get(stated.span)
        if difference is None or difference.concept == stated.concept:
            return None
        same_concept = [
            copy
            for operand in difference.operands
            for copy in self.operands(metric)[operand.start, operand.end]
            if (copy.accession, copy.concept, copy.unit) == (operand.accession, stated.concept, stated.unit)
        ]
        if len(same_concept) < 2:
            return None
        told = _signed(metric, same_concept[0].concept, same_concept[0].value - same_concept[1].value)
        return difference if abs(told - stated.value) * 100 <= abs(stated.value) else None

    def _are_of_one_basis(self, one: Copy, of_one: list[Copy], other: Copy, of_other: list[Copy]) -> bool:
        """Whether neither copy lags behind the other; each comes with all copies of its period."""
        return not self._lags(one, of_one, other, of_other) and not self._lags(other, of_other, one, of_one)

    def _lags(self, copy: Copy, of_period: list[Copy], other: Copy, of_other: list[Copy]) -> bool:
        """Whether a copy says what the original report said and the other was recast later."""
        before = [each for each in _alike(copy, of_period) if _newest_last(each) <= _newest_last(copy)]
        repeats_original = self.cycle(copy) == 0 or self.cycle(copy) > min(self.cycle(each) for each in before)
        is_recast = _changed_at(copy, of_period) is not None
        return repeats_original and not is_recast and _was_recast_after(other, of_other, copy)

    def vintage(self, copy: Copy) -> Vintage:
        """This will say in which reporting cycle a copy stands, and whether it amends a value of that cycle."""
        cycle = self.cycle(copy)
        if not copy.form.endswith("/A"):
            return Vintage(cycle, False)
        originals = [
            other
            for other in self.by_concept[copy.concept][copy.start, copy.end]
            if other.unit == copy.unit
            and not other.form.endswith("/A")
            and _newest_last(other) < _newest_last(copy)
            and self.cycle(other) == cycle
        ]
        before = originals[-1].value if originals else copy.value
        return Vintage(cycle, before != copy.value and not _conflict({before, copy.value}))

    def cycle(self, copy: Copy) -> int:
        own_end = self.own_end.get(copy.accession, copy.filed_on)
        years = 0
        while copy.end <= same_day_years_before(own_end, years + 1) + GRACE_DAYS * DAY:
            years += 1
        return years

    # Twelve months

    def twelve_months(self, key: str, end: date) -> Figure | None:
        """This will give a metric over the twelve months that end on a day."""
        if (key, end) not in self._twelve:
            self._twelve[key, end] = None
            self._twelve[key, end] = self._twelve_months(self.metrics[key], end)
        return self._twelve[key, end]

    def _twelve_months(self, metric: Metric, end: date) -> Figure | None:
        if metric.over == "instant" or self.not_applicable(metric):
            return None
        if metric.kind == "reported":
            if not metric.additive:
                return None
            figure = (
                self._year(metric, end) or self._year_rolled_forward(metric, end) or self._four_quarters(metric, end)
            )
            if figure is not None:
                return Figure(figure.value, figure.unit, figure.concept, _twelve_months_to(end))
        return self.worked_out(metric, "ttm", _twelve_months_to(end))

    def _year(self, metric: Metric, end: date) -> Figure | None:
        years = [figure for figure in self.figures(metric.key, "annual") if figure.span[1] == end]
        return min(years, key=lambda year: (abs(_days(year.span) - 365), -_days(year.span)), default=None)

    def _year_rolled_forward(self, metric: Metric, end: date) -> Figure | None:
        candidates = self.operands(metric)
        to_date = [
            copy for span, copies in candidates.items() if self._years_before(metric, span, end) for copy in copies
        ]
        for newest in _in_order_of_choice(metric, sorted(to_date, key=_newest_last)):
            for year in self._years_before(metric, (newest.start, end), end):
                for prior in candidates:
                    distance = abs((prior[1] - same_day_years_before(end, 1)).days)
                    if prior[0] == year[0] and prior[1] < year[1] and distance <= GRACE_DAYS:
                        span = (newest.start, newest.end)
                        figure = self._rolled(metric, newest, candidates[span], candidates[year], candidates[prior])
                        if figure is not None:
                            return figure
        return None

    def _years_before(self, metric: Metric, to_date: Span, end: date) -> list[Span]:
        """The full years after which a span to date may begin."""
        start = to_date[0]
        if to_date[1] != end or start is None:
            return []
        return [
            span
            for span in self.candidates(metric)
            if period_class(*span) == "annual" and abs((start - DAY - span[1]).days) <= SEAM_DAYS
        ]

    def _rolled(
        self, metric: Metric, newest: Copy, to_date: list[Copy], years: list[Copy], priors: list[Copy]
    ) -> Figure | None:
        of_this_year, years, priors = (_alike(newest, copies) for copies in (to_date, years, priors))
        current_vintages = {self.vintage(copy) for copy in of_this_year}
        vintages = {self.vintage(copy) for copy in years} & {self.vintage(copy) for copy in priors}
        for current_vintage in sorted(current_vintages, key=Vintage.age, reverse=True):
            current = [copy for copy in of_this_year if self.vintage(copy) == current_vintage][-1]
            with_its_value = [copy.accession for copy in of_this_year if copy.value == current.value]
            said = [part.value for accession in with_its_value for part in priors if part.accession == accession]
            for vintage in sorted(vintages, key=Vintage.age, reverse=True):
                whole = [copy for copy in years if self.vintage(copy) == vintage][-1]
                part = [copy for copy in priors if self.vintage(copy) == vintage][-1]
                if (
                    (not said or said[0] == part.value or _is_the_same_rounded(said[0], part.value))
                    and self._are_of_one_basis(whole, years, part, priors)
                    and not _was_recast_after(part, priors, current)
                    and not _was_recast_after(current, of_this_year, part)
                ):
                    value = _signed(metric, newest.concept, whole.value + current.value - part.value)
                    if metric.never_negative and value < 0:
                        break
                    return Figure(value, newest.unit, newest.concept, (newest.start, newest.end))
            if said:
                return None
        return None

    def _four_quarters(self, metric: Metric, end: date) -> Figure | None:
        quarters = [figure for figure in self.figures(metric.key, "quarterly") if figure.concept is not None]
        quarters.sort(key=_known_last, reverse=True)
        for last in quarters:
            if last.span[1] == end:
                for chain in _chains(last, quarters, length=4):
                    return Figure(sum((each.value for each in chain), Decimal(0)), last.unit, last.concept, last.span)
        return None

    # Formulas

    def worked_out(self, metric: Metric, period_type: str, span: Span) -> Figure | None:
        """This will work a metric's formula out, with the operands it follows."""
        if metric.formula is None:
            return None
        return self.follows(metric, period_type, span).worked_out_as_standing(metric, period_type, span)

    def follows(self, metric: Metric, period_type: str, span: Span) -> "_Company":
        """This will give the company as known when the operands became known that a formula is worked out from."""
        standing = self.operand_figures(metric, period_type, span)
        valued = [figure for figure in standing if figure is not None]
        if len(valued) < 2 or any(figure.concept is None for figure in valued) or self.in_one_filing(standing):
            return self
        before = [instant for instant in self.instants_of(standing) if instant < self.as_of]
        if not before:
            return self
        held_at = self.then(max(before)).follows(metric, period_type, span)
        held = held_at.operand_figures(metric, period_type, span)
        if is_recast(held, standing) and self.in_one_filing(held):
            return self if held_at.worked_out_as_standing(metric, period_type, span) is None else held_at
        return self

    def then(self, instant: datetime) -> "_Company":
        """This will give the company as known at another instant."""
        if instant not in self._then:
            self._then[instant] = _Company(self.all_copies, sic=self.sic, as_of=instant)
            self._then[instant]._then = self._then
            self._then[instant].instants_by_end = self.instants_by_end
        return self._then[instant]

    def operand_figures(self, metric: Metric, period_type: str, span: Span) -> list[Figure | None]:
        """This will give what stands for each operand of a formula and of what keeps it undefined."""
        assert metric.formula is not None
        evaluation = _Evaluation(self, period_type, span)
        return [
            evaluation.operand(key, years_ago=years, twelve_months=twelve)
            for key, years, twelve in sorted({*_asked_for(metric.formula), *_asked_for(metric.undefined_if or "0")})
        ]

    def in_one_filing(self, figures: list[Figure | None]) -> bool:
        """Whether some filing that counts states all of these values."""
        filings = [self.filings_stating(figure) for figure in figures if figure is not None]
        return bool(set.intersection(*filings))

    def filings_stating(self, figure: Figure) -> set[str]:
        """This will give the filings that state a figure, or the year that stands for its twelve months."""
        found: set[str] = set()
        readers = [metric for metric in self.metrics.values() if figure.concept in metric.concepts]
        for reader, concept in [(each, concept) for each in readers for concept in each.concepts]:
            by_span = self.by_concept.get(concept, {})
            spans = {figure.span}
            if figure.span == _twelve_months_to(figure.span[1]):
                spans |= {span for span in by_span if span[1] == figure.span[1] and period_class(*span) == "annual"}
            for copy in [copy for span in spans for copy in by_span.get(span, [])]:
                if copy.unit == figure.unit and _signed(reader, concept, copy.value) == figure.value:
                    found.add(copy.accession)
        return found

    def instants_of(self, figures: list[Figure | None]) -> set[datetime]:
        """When copies that end with one of these figures begin or cease to count."""
        ends = {figure.span[1] for figure in figures if figure is not None}
        return {instant for end in ends for instant in self.instants_by_end[end]}

    @cached_property
    def instants_by_end(self) -> dict[date, set[datetime]]:
        """When copies of periods that end on a day begin or cease to count."""
        found: dict[date, set[datetime]] = {}
        for copy in self.all_copies:
            found.setdefault(copy.end, set()).update(filter(None, (copy.known_at, copy.withdrawn_at)))
        return found

    def worked_out_as_standing(self, metric: Metric, period_type: str, span: Span) -> Figure | None:
        """This will work a formula out with what stands for its operands."""
        assert metric.formula is not None
        asked = _Evaluation(self, period_type, span)
        try:
            with localcontext(prec=60):
                if metric.undefined_if is not None and asked.of(metric.undefined_if):
                    return None
                value = asked.of(metric.formula)
        except (NoValue, ZeroDivisionError, InvalidOperation):
            return None
        if len(asked.currencies) > 1:
            return None
        unit = metric.unit.replace("USD", next(iter(asked.currencies), "USD"))
        with localcontext(prec=60):
            rounded = value.quantize(TWELVE_DECIMALS, ROUND_HALF_EVEN)
        return Figure(rounded, unit, None, span)


class _Evaluation:
    """One formula over one period. Remembers the currencies of the operands it met."""

    def __init__(self, company: _Company, period_type: str, span: Span) -> None:
        self.company = company
        self.period_type = period_type
        self.start, self.end = span
        self.currencies: set[str] = set()

    def of(self, formula: str) -> Decimal:
        return self.evaluate(ast.parse(formula, mode="eval").body)

    def evaluate(self, node: ast.expr) -> Decimal:
        match node:
            case ast.Constant(value=int() | float() as number):
                return Decimal(str(number))
            case ast.Name(id=key):
                return self.required(key)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self.evaluate(inner)
            case ast.BinOp(left=left, op=op, right=right):
                return _arithmetic(op, self.evaluate(left), self.evaluate(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return Decimal(_holds(op, self.evaluate(left), self.evaluate(right)))
            case ast.Call(func=ast.Name(id="or_zero"), args=[ast.Name(id=key)]):
                figure = self.operand(key)
                return Decimal(0) if figure is None else self.required(key)
            case ast.Call(func=ast.Name(id="ttm"), args=[ast.Name(id=key)]):
                return self.required(key, twelve_months=True)
            case ast.Call(func=ast.Name(id="prior_year"), args=[ast.Name(id=key)]):
                return self.required(key, years_ago=1)
            case ast.Call(func=ast.Name(id="years_ago"), args=[ast.Name(id=key), ast.Constant(value=int() as years)]):
                return self.required(key, years_ago=years)
            case ast.Call(func=ast.Name(id="average"), args=[ast.Name(id=key)]):
                return (self.required(key) + self.required(key, years_ago=1)) / 2
            case ast.Call(func=ast.Name(id="abs"), args=[inner]):
                return abs(self.evaluate(inner))
            case ast.Call(func=ast.Name(id="clamp"), args=[inner, low, high]):
                return min(max(self.evaluate(inner), self.evaluate(low)), self.evaluate(high))
        raise ValueError(f"not in the language of formulas: {ast.dump(node)}")

    def required(self, key: str, *, years_ago: int = 0, twelve_months: bool = False) -> Decimal:
        figure = self.operand(key, years_ago=years_ago, twelve_months=twelve_months)
        if figure is None:
            raise NoValue(key)
        if currency := _currency(figure.unit):
            self.currencies.add(currency)
        return figure.value

    def operand(self, key: str, *, years_ago: int = 0, twelve_months: bool = False) -> Figure | None:
        instant = self.company.metrics[key].over == "instant"
        period_type = "instant" if instant else "ttm" if twelve_months else self.period_type
        if years_ago:
            return self.nearest(key, period_type, same_day_years_before(self.end, years_ago))
        if period_type == "instant":
            return self.company.figure(key, "instant", (None, self.end))
        if period_type == "ttm":
            return self.company.twelve_months(key, self.end)
        return self.company.figure(key, period_type, (self.start, self.end))

    def nearest(self, key: str, period_type: str, day: date) -> Figure | None:
        near = [
            figure
            for figure in self.company.figures(key, period_type)
            if abs((figure.span[1] - day).days) <= GRACE_DAYS
        ]
        length = _days((self.start, self.end))
        return min(
            near,
            key=lambda figure: (abs((figure.span[1] - day).days), abs(_days(figure.span) - length)),
            default=None,
        )


def is_recast(before: list[Figure | None], after: list[Figure | None]) -> bool:
    """Whether the same operands have values, other ones, and none was only mended."""
    changed = False
    for old, new in zip(before, after, strict=True):
        if old is None or new is None:
            if old is not new:
                return False
        elif (old.value, old.unit) != (new.value, new.unit):
            if _conflict({old.value, new.value}) and old.value != new.value:
                return False
            changed = True
    return changed


def _asked_for(formula: str) -> set[tuple[str, int, bool]]:
    """Metric, years before and whether over twelve months, of everything a formula mentions."""
    asked: set[tuple[str, int, bool]] = set()
    functions: set[int] = set()
    for node in ast.walk(ast.parse(formula, mode="eval")):
        match node:
            case ast.Call(func=ast.Name(id="ttm") as name, args=[ast.Name(id=key) as inner]):
                asked.add((key, 0, True))
                functions |= {id(name), id(inner)}
            case ast.Call(func=ast.Name(id="prior_year") as name, args=[ast.Name(id=key) as inner]):
                asked.add((key, 1, False))
                functions |= {id(name), id(inner)}
            case ast.Call(func=ast.Name(id="years_ago") as name, args=[ast.Name(id=key) as inner, ast.Constant(n)]):
                asked.add((key, int(str(n)), False))
                functions |= {id(name), id(inner)}
            case ast.Call(func=ast.Name(id="average") as name, args=[ast.Name(id=key) as inner]):
                asked |= {(key, 0, False), (key, 1, False)}
                functions |= {id(name), id(inner)}
            case ast.Call(func=ast.Name() as name):
                functions.add(id(name))
            case ast.Name(id=key) if id(node) not in functions:
                asked.add((key, 0, False))
    return asked


def _without_minus(copies: Iterable[Copy]) -> list[Copy]:
    """The copies, with what is never negative as what it comes to, whatever its sign."""
    never = {concept for metric in load_catalogue().metrics if metric.never_negative for concept in metric.concepts}
    return [replace(copy, value=abs(copy.value)) if copy.concept in never else copy for copy in copies]


def _counting(copies: Iterable[Copy], as_of: datetime) -> Iterator[Copy]:
    """The copies that count at an instant, the newest last."""
    for copy in _once_said(copies, as_of):
        if copy.withdrawn_at is None or copy.withdrawn_at > as_of:
            yield copy


def _once_said(copies: Iterable[Copy], as_of: datetime) -> Iterator[Copy]:
    """The copies that count at an instant or counted before, the newest last."""
    for copy in sorted(copies, key=_newest_last):
        if copy.known_at > as_of or (copy.withdrawn_at is not None and copy.withdrawn_at <= copy.known_at):
            continue
        rounded_by = 15 * DAY if copy.source == "fsds" else 0 * DAY
        if 1900 <= copy.end.year < 2200 and copy.end - rounded_by <= copy.filed_on:
            yield copy


def _split_ratio(before: Decimal, after: Decimal) -> Decimal | None:
    for whole in SPLITS:
        for ratio in (Decimal(whole), 1 / Decimal(whole)):
            if before > 0 and after > 0 and abs(after / before / ratio - 1) <= Decimal("0.005"):
                return ratio
    return None


def _may_be_own_period(copy: Copy) -> bool:
    days = _days((copy.start, copy.end))
    return period_class(copy.start, copy.end) in ("quarterly", "annual") or 160 <= days <= 195 or 245 <= days <= 295


def _newest_last(copy: Copy) -> tuple[datetime, str]:
    return copy.known_at, copy.accession


def _twelve_months_to(end: date) -> Span:
    return same_day_years_before(end, 1) + DAY, end


def _known_last(figure: Figure) -> tuple[datetime, str]:
    assert figure.newest is not None  # only stated values are ordered so
    return _newest_last(figure.newest)


def _days(span: Span) -> int:
    return 0 if span[0] is None else (span[1] - span[0]).days + 1


def _kinds_of_company(sic: str | None) -> set[str]:
    code = int(sic) if sic else 0
    kinds = set()
    if 6020 <= code <= 6199 or code == 6712:
        kinds.add("bank")
    if 6300 <= code <= 6499:
        kinds.add("insurer")
    return kinds


def _fits(unit: str, wanted: str) -> bool:
    if "USD" not in wanted:
        return unit == wanted
    return re.fullmatch(wanted.replace("USD", "[A-Z]{3}"), unit) is not None


def _currency(unit: str) -> str | None:
    found = re.fullmatch("([A-Z]{3})(/shares)?", unit)
    return found[1] if found else None


def _most_trusted(copies: list[Copy]) -> list[Copy]:
    periodic = [copy for copy in copies if copy.form.removesuffix("/A") in PERIODIC]
    return periodic or [copy for copy in copies if copy.form.removesuffix("/A") == "8-K"]


def _one_unit_a_filing(copies: list[Copy], metric: Metric) -> list[Copy]:
    units: dict[str, set[str]] = {}
    for copy in copies:
        units.setdefault(copy.accession, set()).add(copy.unit)
    chosen = {accession: metric.unit if metric.unit in has else min(has) for accession, has in units.items()}
    return [copy for copy in copies if copy.unit == chosen[copy.accession]]


def _in_order_of_choice(metric: Metric, copies: list[Copy]) -> Iterator[Copy]:
    """The newest copy of each concept, in the order in which rules 3 and 4 choose the concept."""
    order = list(metric.concepts)
    if metric.selection == "largest_total":
        totals = [copy for copy in copies if copy.concept in metric.selection_set]
        if totals:
            of_newest = [copy for copy in totals if copy.accession == totals[-1].accession]
            of_newest.sort(key=lambda copy: (-copy.value, order.index(copy.concept)))
            first = [copy.concept for copy in of_newest]
            order = first + [concept for concept in order if concept not in first]
            stated = {copy.concept: copy.value for copy in of_newest}
            net = max([stated[each] for each in first if each not in metric.gross_concepts], default=Decimal(0))
            if net > 0:
                order = [each for each in order if each not in metric.gross_concepts or stated.get(each, net) <= net]
    for concept in order:
        of_concept = [copy for copy in copies if copy.concept == concept]
        if of_concept:
            yield of_concept[-1]


def _reported(metric: Metric, copies: list[Copy]) -> Figure:
    chosen = next(_in_order_of_choice(metric, copies))
    value = _resolved([copy for copy in copies if (copy.concept, copy.unit) == (chosen.concept, chosen.unit)])
    value = _signed(metric, chosen.concept, value)
    return Figure(value, chosen.unit, chosen.concept, (chosen.start, chosen.end), chosen)


def _resolved(alike: list[Copy]) -> Decimal:
    """Rule 5: the value of copies of one concept, unit and period."""
    newest = alike[-1].value
    disputed = [copy.value for copy in alike if copy.value == newest or _conflict({copy.value, newest})]
    most = max(disputed.count(each) for each in disputed)
    return [each for each in disputed if disputed.count(each) == most][-1]


def _operands_among(copies: list[Copy]) -> list[Copy]:
    """The copies of a period that rule 5 does not pass over for their scale or sign."""
    kept = []
    for copy in copies:
        alike = [other for other in copies if (other.concept, other.unit) == (copy.concept, copy.unit)]
        value = _resolved(alike)
        if copy.value == value or not _conflict({copy.value, value}):
            kept.append(copy)
    return kept


def _alike(copy: Copy, of_period: list[Copy]) -> list[Copy]:
    return [other for other in of_period if (other.concept, other.unit) == (copy.concept, copy.unit)]


def _changed_at(copy: Copy, of_period: list[Copy]) -> datetime | None:
    """When the value of a copy replaced the one first given of its concept and unit, if it did."""
    gives_its_value = [
        each.value == copy.value or _is_the_same_rounded(each.value, copy.value) for each in _alike(copy, of_period)
    ]
    first = gives_its_value.index(True)
    return _alike(copy, of_period)[first].known_at if first else None


def _was_recast_after(copy: Copy, of_period: list[Copy], other: Copy) -> bool:
    """Whether the value of a copy is a recast that came after another copy."""
    changed_at = _changed_at(copy, of_period)
    return changed_at is not None and changed_at > other.known_at


def _is_the_same_rounded(value: Decimal, other: Decimal) -> bool:
    """Whether one value is the other, shown in whole thousands, ten thousands and so on, in ten of these or more."""
    return any(
        rounded % 10**zeros == 0
        and abs(exact - rounded) <= Decimal(10) ** zeros / 2
        and max(abs(rounded), abs(exact)) >= 10 ** (zeros + 1)
        for rounded, exact in ((value, other), (other, value))
        for zeros in range(3, 10)
    )


def _is_above_its_whole(part: Copy, by_span: dict[Span, list[Copy]]) -> bool:
    """Whether the filing gives less for a longer period that ends on the same day."""
    wholes = [
        copy.value
        for (start, end), copies in by_span.items()
        if end == part.end and (start or date.max) < (part.start or date.min)
        for copy in copies
        if (copy.accession, copy.unit) == (part.accession, part.unit)
    ]
    return any(whole < part.value and not _is_the_same_rounded(part.value, whole) for whole in wholes)


def _conflict(values: set[Decimal]) -> bool:
    return any(value != 0 and value * factor in values for value in values for factor in (-1, 1_000, 1_000_000))


def _signed(metric: Metric, concept: str, value: Decimal) -> Decimal:
    return -value if concept in metric.negated_concepts else value


def _chains(last: Figure, quarters: list[Figure], *, length: int) -> Iterator[list[Figure]]:
    """Every way back from a quarter over so many of one concept and unit, without gap or overlap beyond the seam."""
    if length == 1:
        yield [last]
        return
    assert last.span[0] is not None  # a quarter has a start
    before = last.span[0] - DAY
    near = [
        quarter
        for quarter in quarters
        if abs((quarter.span[1] - before).days) <= SEAM_DAYS
        and (quarter.concept, quarter.unit) == (last.concept, last.unit)
    ]
    for quarter in sorted(near, key=lambda quarter: abs((quarter.span[1] - before).days)):
        for chain in _chains(quarter, quarters, length=length - 1):
            yield [last, *chain]


def _operands(formula: str) -> set[str]:
    names = {node.id for node in ast.walk(ast.parse(formula, mode="eval")) if isinstance(node, ast.Name)}
    return names - {"or_zero", "ttm", "prior_year", "years_ago", "average", "abs", "clamp"}


def _arithmetic(op: ast.operator, left: Decimal, right: Decimal) -> Decimal:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case ast.Pow():
            return left**right
    raise ValueError(f"no such operator in the language of formulas: {op}")


def _holds(op: ast.cmpop, left: Decimal, right: Decimal) -> bool:
    match op:
        case ast.LtE():
            return left <= right
        case ast.Lt():
            return left < right
        case ast.GtE():
            return left >= right
        case ast.Gt():
            return left > right
    raise ValueError(f"no such comparison in the language of formulas: {op}")
