"""A rebuild of a soak run: it may be killed at any step, and the next one goes on from there."""

from pathlib import Path

import psycopg

from config.soak.board import Board
from projections.rebuild import Rebuild, RebuildRefused, VersionsDiffer
from projections.sweeper import utc_now


def rebuild(*, board: Board, database_url: str, findings: Path) -> None:
    """This will write a version beside the live one and switch over; where the two differ, that is a finding."""
    work = Rebuild(database_url, projection="figures", clock=utc_now)
    try:
        work.run()
        board.add("switches")
        work.drop_retired()
    except VersionsDiffer as difference:
        with findings.open("a", encoding="utf-8") as file:
            file.write(f"a rebuild differs: {difference}\n")
    except (RebuildRefused, psycopg.OperationalError) as error:
        print(f"rebuild: {error}", flush=True)
