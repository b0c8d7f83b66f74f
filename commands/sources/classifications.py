"""Tables of SIC codes and tickers: many companies in one file."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from commands.companies.change_tickers import ChangeTickers
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.rename_company import RenameCompany
from commands.sources.documents import files_under
from commands.sources.filer_status import size_class_of
from commands.sources.places import country_if_known
from commands.sources.reading import FileRead, Item, Proposal, Reading, Skipped
from commands.sources.values import is_cik

# How the libraries that write such tables spell a missing value.
_ABSENT = frozenset({"nan", "NaN", "None", "NULL"})
_SUFFIXES = (".csv", ".csv.gz", ".json", ".json.gz")


def read_classifications(paths: Iterable[Path]) -> Reading:
    """
    This will read tables of SIC codes (.csv with the columns cik, sic and perhaps country and filer_status) and the
    SEC's company_tickers.json, plain or gzipped, and propose what they say of companies that are registered.

    SIC codes, countries and size classes fill gaps only: what came with the company's own submissions file stays.
    Tickers and names are taken as they are. Companies that are not registered are passed over: there is nothing of
    theirs to classify.
    """
    for path in paths:
        for found in files_under(path, suffixes=_SUFFIXES):
            yield from _read_table(found)


def _read_table(path: Path) -> Iterator[Item]:
    try:
        content = path.read_bytes()
        if path.name.endswith(".gz"):
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
        if path.name.removesuffix(".gz").endswith(".csv"):
            yield from _sic_codes(text, place=str(path))
        else:
            yield from _tickers(json.loads(text), place=str(path))
    except FileNotFoundError:
        yield Skipped(place=str(path), reason="there is no such file or folder; check the path")
    except (OSError, EOFError, zlib.error) as error:
        yield Skipped(place=str(path), reason=f"it cannot be read, perhaps it is truncated: {error}")
    except (ValueError, csv.Error, RecursionError) as error:
        yield Skipped(place=str(path), reason=f"it is no table of SIC codes or tickers: {error}")
    else:
        yield FileRead(place=str(path))


def _sic_codes(text: str, *, place: str) -> Iterator[Item]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    missing = {"cik", "sic"} - set(rows.fieldnames or ())
    if missing:
        raise ValueError(f"it has no column {' and no column '.join(sorted(missing))}")
    for row in rows:
        cik, sic = (row.get(name) or "" for name in ("cik", "sic"))
        country, size_class = country_if_known(row.get("country")), size_class_of(row.get("filer_status"))
        sic = "" if sic in _ABSENT else sic
        where = f"{place}: line {rows.line_num}"
        if not is_cik(cik):
            yield Skipped(place=where, reason=f"cik {cik[:20]!r} is not a number of one to ten digits")
        elif not sic and not country and not size_class:
            continue
        elif sic and not (sic.isascii() and sic.isdigit() and len(sic) <= 4):
            yield Skipped(place=where, reason=f"sic {sic[:20]!r} is not a number of up to four digits")
        else:
            yield Proposal(
                place=where,
                command=ReclassifyCompany(
                    cik=int(cik), sic=sic.zfill(4) if sic else None, country=country, size_class=size_class
                ),
                condition="unclassified",
            )


def _tickers(table: Any, *, place: str) -> Iterator[Item]:
    rows = table.values() if isinstance(table, dict) else table
    if not isinstance(rows, Iterable):
        raise ValueError("it holds no entries")
    tickers: dict[int, dict[str, None]] = {}
    names: dict[int, str] = {}
    for row in rows:
        if not isinstance(row, dict) or not is_cik(str(row.get("cik_str", ""))) or not row.get("ticker"):
            raise ValueError("its entries do not have the fields cik_str and ticker")
        tickers.setdefault(int(row["cik_str"]), {})[str(row["ticker"]).strip().upper()] = None
        if title := str(row.get("title") or "").strip():
            names[int(row["cik_str"])] = title
    for cik, of_company in tickers.items():
        where = f"{place}: CIK {cik}"
        yield Proposal(place=where, command=ChangeTickers(cik=cik, tickers=tuple(of_company)))
        if cik in names:
            yield Proposal(place=where, command=RenameCompany(cik=cik, name=names[cik]))
