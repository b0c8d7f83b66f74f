"""
Compares the read tables with the oracle for every company of some companyfacts files or of the sample.

    python -m tests.oracle.compare [--dates 50 | --dates all] [--report FILE] PATH...

Starts a PostgreSQL of its own. Exits with 1 where anything differs.
"""

import argparse
import os
import secrets
import sys
import tempfile
from collections import Counter
from pathlib import Path

SAMPLE = Path(__file__).parent.parent.parent / "sample" / "companies.jsonl.gz"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="*", default=[SAMPLE], metavar="PATH")
    parser.add_argument(
        "--dates", default="50", help="random instants beside the latest, or `all` at which any filing became known"
    )
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--only", type=int, nargs="*", help="only these CIKs")
    parser.add_argument("--types", nargs="*", help="only these period types")
    parser.add_argument("--report", type=Path, help="write what differs to this file")
    parser.add_argument("--shown", type=int, default=3, help="differences shown in full for each metric and company")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="factfold-oracle-") as folder:
        return compare(options, Path(folder))


def compare(options: argparse.Namespace, folder: Path) -> int:
    from config.embedded.postgres import EmbeddedPostgres
    from tests.conftest import Servers

    postgres = EmbeddedPostgres(folder / "postgres", password=secrets.token_hex(8), durable=False)
    servers = Servers(folder, worker="oracle", postgres=postgres, postgres_url=postgres.url())
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": servers.url(servers.database),
        "REDIS_URL": servers.valkey.url(),
        "FACTFOLD_ANONYMOUS": "true",
        "FACTFOLD_DOORBELL": "celery",
    }
    os.environ.pop("FACTFOLD_DATA", None)
    try:
        import django

        django.setup()
        return _compare(options, database_url=servers.make_database(), redis_url=servers.start_valkey())
    finally:
        servers.stop()


def _compare(options: argparse.Namespace, *, database_url: str, redis_url: str) -> int:
    import psycopg
    from redis import Redis

    from tests.fixtures.clean_database import clean_database
    from tests.oracle.comparison import (
        LATEST,
        differences,
        interesting_instants,
        record,
        splits_differ,
        versions_of,
    )
    from tests.oracle.subjects import subjects

    companies = compared = different = 0
    report = options.report.open("w") if options.report else sys.stdout
    count = None if options.dates == "all" else int(options.dates)
    with psycopg.connect(database_url, autocommit=True) as connection, Redis.from_url(redis_url) as redis:
        for subject in subjects(options.paths):
            cik = subject.company.cik
            if options.only and cik not in options.only:
                continue
            clean_database(connection)
            record(connection, redis, subject.company, subject.filings)
            versions = versions_of(connection, cik=cik)
            of_company = 0
            shown: Counter[str] = Counter()
            instants = [LATEST, *interesting_instants(subject.copies, count=count, seed=options.seed)]
            for as_of in instants:
                found, figures = differences(versions, subject.copies, cik=cik, sic=subject.company.sic, as_of=as_of)
                if options.types:
                    found = [difference for difference in found if difference.key[1] in options.types]
                compared += figures
                of_company += len(found)
                if told := splits_differ(connection, subject.copies, cik=cik, as_of=as_of):
                    of_company += 1
                    print(told, file=report, flush=True)
                for difference in found:
                    kind = f"{difference.key[0]} {difference.key[1]}"
                    if shown[kind] < options.shown:
                        print(difference, file=report, flush=True)
                    shown[kind] += 1
            companies += 1
            different += of_company
            print(
                f"{subject.company.name} ({cik}): {len(instants)} instants, {len(versions)} versions, "
                f"{of_company} differences {dict(shown.most_common(8)) if shown else ''}",
                flush=True,
            )
    print(f"{companies} companies, {compared} figures compared, {different} differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
