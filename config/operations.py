"""What an operator asks the api process: `/readyz` and `/prometheus`."""

import msgspec

from config.env import Settings
from config.measures import CONTENT_TYPE, Requests, SharedRequests, exposition
from config.observation import Watch, expected_migrations
from config.problem_details import Problem, problem_for
from config.readiness import NotReady, reasons_against

PATHS = frozenset({"/readyz", "/prometheus"})


class Operations:
    """Answers the operator without a thread and without the readers' connections."""

    def __init__(self, settings: Settings, *, requests: Requests | SharedRequests | None = None) -> None:
        self._requests = requests
        self._watch = Watch(database_url=settings.database_url, redis_url=settings.redis_url)
        self._settings = settings
        self._expected = expected_migrations()

    async def answer(self, path: str, *, request_id: str) -> Problem:
        """This will answer one of `PATHS`."""
        if path == "/prometheus":
            return Problem(200, _headers(CONTENT_TYPE), exposition(await self._watch.look(), requests=self._requests))
        seen = await self._watch.look()
        reasons = reasons_against(
            seen,
            expected=self._expected,
            stall_seconds=self._settings.stall_seconds,
            max_parked_streams=self._settings.max_parked_streams,
        )
        if reasons or seen.signs is None or seen.signs.figures is None:
            return problem_for(NotReady(reasons, redis=seen.redis.word), request_id=request_id)
        state = {
            "status": "ready",
            "position": seen.signs.figures.position,
            "head": seen.signs.head,
            "pending": seen.signs.pending,
            "redis": seen.redis.word,
        }
        return Problem(200, _headers("application/json"), msgspec.json.encode(state))

    async def close(self) -> None:
        """This will give the connections back."""
        await self._watch.close()


def _headers(content_type: str) -> tuple[tuple[str, str], ...]:
    return ("content-type", content_type), ("cache-control", "no-store")
