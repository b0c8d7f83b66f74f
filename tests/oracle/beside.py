"""
Our annual and quarterly figures beside those of two other tools for the same companyfacts files.

    python -m tests.oracle.beside READINGS.json FOLDER

READINGS.json comes from tests/oracle/other_readings.py; FOLDER holds the files it was made from. Every difference is
put into a class by looking for the other tool's value among the copies in the file.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from queries.metrics.catalogue import load_catalogue
from queries.metrics.periods import fiscal_label
from tests.oracle.comparison import LATEST
from tests.oracle.copies import Copy, copies_of_companyfacts
from tests.oracle.resolver import PERIODIC, company_values, period_class

OPENBB = {
    "revenue": "total_revenue",
    "cost_of_revenue": "total_cost_of_revenue",
    "gross_profit": "total_gross_profit",
    "rnd_expense": "rd_expense",
    "sga_expense": "sga_expense",
    "operating_income": "total_operating_income",
    "pretax_income": "total_pretax_income",
    "income_tax": "income_tax_expense",
    "net_income": "net_income",
    "eps_basic": "basic_eps",
    "eps_diluted": "diluted_eps",
    "shares_basic": "weighted_ave_basic_shares_os",
    "shares_diluted": "weighted_ave_diluted_shares_os",
    "total_assets": "total_assets",
    "current_assets": "total_current_assets",
    "cash": "cash_and_equivalents",
    "inventory": "net_inventory",
    "receivables": "accounts_receivable",
    "ppe_net": "net_ppe",
    "goodwill": "goodwill",
    "liabilities": "total_liabilities",
    "current_liabilities": "total_current_liabilities",
    "accounts_payable": "accounts_payable",
    "equity": "total_equity",
    "retained_earnings": "retained_earnings",
    "operating_cash_flow": "net_cash_from_operating_activities",
    "investing_cash_flow": "net_cash_from_investing_activities",
    "financing_cash_flow": "net_cash_from_financing_activities",
    "capex": "purchase_of_plant_property_and_equipment",
    "stock_compensation": "stock_based_compensation",
    "dividends_paid": "payment_of_dividends",
    "buybacks": "repurchase_of_common_equity",
}
OUTFLOWS = ("capex", "dividends_paid", "buybacks")
"""What openbb-sec gives with a minus and we without, as filed."""

METRICS = tuple(OPENBB)

Place = tuple[str, str, date]
"""Metric, annual or quarterly, the end of the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """A figure of another tool; `source` is what it says of where it comes from."""

    value: Decimal
    source: str = ""


class Company:
    """One company's copies and our figures, by metric, annual or quarterly, and end."""

    def __init__(self, path: Path) -> None:
        self.copies = copies_of_companyfacts(path)
        self.metrics = load_catalogue().by_key()
        self.ours: dict[Place, list[tuple[Decimal, date | None]]] = defaultdict(list)
        values = company_values(self.copies, sic=None, as_of=LATEST)
        year_ends = {end for (key, kind, _, end) in values if (key, kind) == ("net_income", "annual")}
        quarter_ends = {end for (key, kind, _, end) in values if (key, kind) == ("net_income", "quarterly")}
        for (key, kind, start, end), (value, _) in values.items():
            if key in OPENBB and kind in ("annual", "quarterly"):
                self.ours[key, kind, end].append((value, start))
            elif key in OPENBB and kind == "instant":
                for asked, ends in (("annual", year_ends), ("quarterly", quarter_ends)):
                    if end in ends:
                        self.ours[key, asked, end].append((value, None))
        newest = max(copy.end for copy in self.copies if copy.form == "10-K" and copy.end in year_ends)
        self.labels: dict[tuple[str, str], date] = {}
        for end in sorted(year_ends):
            self.labels["annual", f"FY {end.year if (end.month, end.day) > (1, 6) else end.year - 1}"] = end
        for end in sorted(quarter_ends | year_ends):
            label = fiscal_label(end, 91, newest)
            if label:
                self.labels["quarterly", f"{label[1]} {label[0]}"] = end
        self.by_span: dict[tuple[date | None, date], list[Copy]] = defaultdict(list)
        self.by_end: dict[date, list[Copy]] = defaultdict(list)
        for copy in self.copies:
            self.by_span[copy.start, copy.end].append(copy)
            self.by_end[copy.end].append(copy)

    def class_of(self, place: Place, theirs: Theirs) -> str:
        """This will say why another tool's figure is not ours."""
        key, kind, end = place
        concepts = self.metrics[key].concepts
        ours = self.ours[place]
        same_span = [copy for _, start in ours for copy in self.by_span[start, end]]
        if not theirs.source and self._of_another_year(place, theirs.value):
            return "another year's figure under this year's name"
        if any(_same(-theirs.value, value) for value, _ in ours):
            return "the opposite sign"
        if any(_same(theirs.value, value * factor) for value, _ in ours for factor in (1_000, 1_000_000)):
            return "scaled by the tool"
        if key.startswith(("eps_", "shares_")) and any(_is_split(theirs.value, value) for value, _ in ours):
            return "on the basis after later splits"
        if key.startswith(("eps_", "shares_")) and "Q4:" in theirs.source + self._fourth(place):
            return "per share or shares of a fourth quarter, worked out"
        if _among(theirs.value, (copy for copy in same_span if copy.concept in concepts and _is_periodic(copy))):
            stated = {
                copy.concept for copy in same_span if copy.concept in concepts and _same(copy.value, theirs.value)
            }
            ours_from = {copy.concept for copy in same_span if any(_same(copy.value, value) for value, _ in ours)}
            return "another filing of the same concept" if stated & ours_from else "another concept of our list"
        if _among(theirs.value, (copy for copy in same_span if copy.concept in concepts)):
            return "a form that does not count"
        if kind == "quarterly" and self.metrics[key].over == "duration":
            own = [copy for copy in self.by_end[end] if copy.concept in concepts and copy.start is not None]
            if _among(theirs.value, (copy for copy in own if period_class(copy.start, end) != "quarterly")):
                return "year to date called a quarter"
            if _among(theirs.value, own):
                return "a quarter of other dates"
            is_stated = _among_any(ours, (copy for copy in same_span if copy.concept in concepts))
            for long in own:
                for short in self.copies:
                    if (short.concept, short.start) == (long.concept, long.start) and _same(
                        long.value - short.value, theirs.value
                    ):
                        return (
                            "worked out where a filing states the quarter"
                            if is_stated
                            else "a difference across filings"
                        )
            if self._less_three_quarters(own, end, theirs.value):
                return "the year less three quarters"
        if theirs.source.startswith(("imputed", "corrected", "reconciled")):
            return "imputed by the tool"
        if _among(theirs.value, same_span):
            return "a concept outside our list"
        if _among(theirs.value, (copy for copy in self.copies if copy.concept in concepts)):
            return "the value of another period"
        return "worked out otherwise"

    def _of_another_year(self, place: Place, value: Decimal) -> bool:
        key, kind, end = place
        return any(
            _same(value, held)
            for (other, other_kind, other_end), values in self.ours.items()
            if (other, other_kind) == (key, kind) and 340 <= abs((other_end - end).days) <= 390
            for held, _ in values
        )

    def _fourth(self, place: Place) -> str:
        """The mark of a quarter that ends with a year."""
        key, kind, end = place
        return "Q4:" if kind == "quarterly" and self.ours.get((key, "annual", end)) else ""

    def _less_three_quarters(self, own: Iterable[Copy], end: date, value: Decimal) -> bool:
        for year in own:
            if period_class(year.start, year.end) != "annual":
                continue
            by_end: dict[date, set[Decimal]] = defaultdict(set)
            for copy in self.copies:
                inside = year.start is not None and year.start < copy.end < end
                if inside and copy.concept == year.concept and period_class(copy.start, copy.end) == "quarterly":
                    by_end[copy.end].add(copy.value)
            if len(by_end) == 3:
                one, two, three = by_end.values()
                if any(_same(year.value - a - b - c, value) for a in one for b in two for c in three):
                    return True
        return False


def edgartools_figures(company: Company, rows: list[dict[str, Any]]) -> dict[Place, Theirs]:
    """This will place the tool's rows, known by concept and its name of the period, at our metrics and dates."""
    best: dict[Place, Theirs] = {}
    shifts = {
        period: max((0, -1, 1), key=partial(_agreement, company, rows, period))
        for period in ("FY", "Q1", "Q2", "Q3", "Q4")
    }
    for key in METRICS:
        metric = company.metrics[key]
        for concept in metric.concepts:
            for row in rows:
                if row["item"].partition(":")[2] == "" and row["item"] != concept.partition(":")[2]:
                    continue
                if ":" in row["item"] and row["item"] != concept:
                    continue
                end = company.labels.get((row["type"], _shifted(row["label"], shifts[row["label"][:2]])))
                if end is None:
                    continue
                place = (key, row["type"], end)
                value = Decimal(repr(row["value"]))
                known = best.get(place)
                if known is None or (metric.selection == "largest_total" and value > known.value):
                    best[place] = Theirs(value=value)
    return best


def openbb_figures(company: Company, rows: list[dict[str, Any]]) -> dict[Place, Theirs]:
    """This will place the tool's rows at our metrics."""
    keys = {item: key for key, item in OPENBB.items()}
    return {
        (keys[row["item"]], row["type"], date.fromisoformat(row["end"])): Theirs(
            value=Decimal(str(row["value"])) * (-1 if keys[row["item"]] in OUTFLOWS else 1), source=row["source"]
        )
        for row in rows
        if row["item"] in keys and row["value"] is not None
    }


def _agreement(company: Company, rows: list[dict[str, Any]], period: str, years: int) -> int:
    return sum(
        1
        for row in rows
        if row["item"] in ("NetIncomeLoss", "ProfitLoss", "IncomeTaxExpenseBenefit") and row["label"].startswith(period)
        for end in [company.labels.get((row["type"], _shifted(row["label"], years)))]
        if end
        and any(_same(value, Decimal(repr(row["value"]))) for value, _ in company.ours["net_income", row["type"], end])
    )


def _shifted(label: str, years: int) -> str:
    period, _, year = label.partition(" ")
    return f"{period} {int(year) + years}" if year.isdigit() else label


def _is_split(one: Decimal, other: Decimal) -> bool:
    """Whether two values differ by a product of whole split ratios, up to the rounding of a derived value."""
    if not one or not other:
        return False
    ratio = max(one / other, other / one)
    return ratio > Decimal("1.9") and abs(ratio - round(ratio)) < ratio * Decimal("0.0001")


def _is_periodic(copy: Copy) -> bool:
    return copy.form.removesuffix("/A") in PERIODIC


def _same(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= max(abs(other) * Decimal("1e-9"), Decimal("1e-6"))


def _among(value: Decimal, copies: Iterable[Copy]) -> bool:
    return any(_same(copy.value, value) for copy in copies)


def _among_any(values: Iterable[tuple[Decimal, date | None]], copies: Iterable[Copy]) -> bool:
    listed = list(copies)
    return any(_among(value, listed) for value, _ in values)


def main() -> None:
    readings = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    examples: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name, tools in readings.items():
        company = Company(folder / name)
        for tool, figures in (
            ("edgartools", edgartools_figures(company, tools["edgartools"])),
            ("openbb-sec", openbb_figures(company, tools["openbb"])),
        ):
            for place, what, theirs in _compared(company, figures):
                counts[tool, place[1]][what] += 1
                if what != "agree":
                    ours = ", ".join(f"{value:f}" for value, _ in company.ours[place]) or "nothing"
                    examples[tool, place[1], what].append(
                        f"{name[3:13]} {place[0]} ..{place[2]}: ours {ours}, theirs "
                        + (f"{theirs.value:f} {theirs.source}" if theirs else "nothing")
                    )
    for (tool, kind), found in sorted(counts.items()):
        both = sum(count for what, count in found.items() if not what.startswith("only"))
        print(f"\n{tool} {kind}: {both} figures of both, {found['agree']} agree ({found['agree'] / both:.1%})")
        for what, count in found.most_common():
            print(f"  {count:>6}  {what}")
            step = max(1, len(examples[tool, kind, what]) // 6)
            for example in examples[tool, kind, what][::step][:6] if what != "agree" else ():
                print(f"            {example}")


def _compared(company: Company, figures: dict[Place, Theirs]) -> Iterator[tuple[Place, str, Theirs | None]]:
    for place in sorted(company.ours.keys() | figures.keys(), key=str):
        if place[0] not in OPENBB:
            continue
        theirs = figures.get(place)
        ours = company.ours.get(place)
        if theirs is None:
            yield place, "only ours", None
        elif not ours:
            yield place, "only theirs", theirs
        elif any(_same(value, theirs.value) for value, _ in ours):
            yield place, "agree", theirs
        else:
            yield place, company.class_of(place, theirs), theirs


if __name__ == "__main__":
    main()
