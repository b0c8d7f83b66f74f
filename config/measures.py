"""What an installation tells Prometheus."""

import os
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from config.env import SHARED_COUNTS
from config.observation import Observation
from projections.vital_signs import ShardSigns, VitalSigns

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Requests:
    """
    Counts the requests of an event loop by method, route template and status.

    The library's own counters take a lock or two for each request; one thread needs none.
    """

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str, int], list[int]] = {}
        self._seconds: dict[tuple[str, str, int], float] = defaultdict(float)

    def count(self, *, method: str, route: str, status: int, begun: float) -> None:
        """This will count a request that began at `begun`, an instant of `time.perf_counter`, and has ended now."""
        seconds = time.perf_counter() - begun
        key = method, route, status
        buckets = self._counted.get(key)
        if buckets is None:
            buckets = self._counted[key] = [0] * (len(_BUCKETS) + 1)
        buckets[bisect_left(_BUCKETS, seconds)] += 1
        self._seconds[key] += seconds

    def collect(self) -> Iterator[Metric]:
        """This will tell what was counted, as the library asks for it."""
        labels = ["method", "route", "status"]
        requests = CounterMetricFamily("factfold_http_requests", "Requests answered.", labels=labels)
        seconds = HistogramMetricFamily(
            "factfold_http_request_seconds", "From a request to the end of its answer.", labels=labels
        )
        for (method, route, status), counted in self._counted.items():
            named = [method, route, str(status)]
            sums = list(accumulate(counted))
            requests.add_metric(named, sums[-1])
            buckets = [(str(limit), float(count)) for limit, count in zip((*_BUCKETS, "+Inf"), sums, strict=True)]
            seconds.add_metric(named, buckets, self._seconds[method, route, status])
        yield requests
        yield seconds


class SharedRequests:
    """
    Counts in files of the folder `SHARED_COUNTS` names, with the other processes of this api: each can tell of all.

    That takes a few microseconds for each request. What a process has counted stays when it ends.
    """

    def __init__(self) -> None:
        registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self._requests = Counter("factfold_http_requests", "Requests answered.", labels, registry=registry)
        self._seconds = Histogram(
            "factfold_http_request_seconds",
            "From a request to the end of its answer.",
            labels,
            buckets=_BUCKETS,
            registry=registry,
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, *, method: str, route: str, status: int, begun: float) -> None:
        """This will count a request that began at `begun`, an instant of `time.perf_counter`, and has ended now."""
        key = method, route, status
        if key not in self._known:
            named = method, route, str(status)
            self._known[key] = self._requests.labels(*named), self._seconds.labels(*named)
        requests, seconds = self._known[key]
        requests.inc()
        seconds.observe(time.perf_counter() - begun)

    def collect(self) -> Iterator[Metric]:
        """This will tell what all processes have counted, commands included."""
        yield from MultiProcessCollector(None).collect()  # type: ignore[no-untyped-call]  # the library's


def request_counts() -> Requests | SharedRequests:
    """This will begin to count the requests of this process, alone or with others."""
    return SharedRequests() if SHARED_COUNTS in os.environ else Requests()


class _Found:
    """Hands what was observed to the library once."""

    def __init__(self, seen: Observation) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        return families(self._seen)


def exposition(seen: Observation, *, requests: Requests | SharedRequests | None = None) -> bytes:
    """This will write what was observed and what was counted, in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Found(seen))
    if requests is not None:
        registry.register(requests)
    if isinstance(requests, SharedRequests):
        return generate_latest(registry)
    return generate_latest(registry) + generate_latest(REGISTRY)


def families(seen: Observation) -> Iterator[Metric]:
    """This will tell each thing that was observed as a metric family."""
    yield _gauge("database_up", "1 while PostgreSQL answers and has its tables.", float(seen.signs is not None))
    yield _gauge("redis_up", "1 while Redis answers.", float(seen.redis.reachable))
    if seen.redis.epoch is not None:
        yield _gauge("redis_epoch", "The epoch Redis serves.", seen.redis.epoch)
    if seen.redis.seq is not None:
        yield _gauge("redis_refresh", "The refresh Redis has reached.", seen.redis.seq)
    if seen.signs is not None:
        yield from _log(seen.signs)
        yield from _projections(seen.signs)
        yield from _figures(seen.signs, redis_refresh=seen.redis.seq)
    if seen.queues:
        messages = GaugeMetricFamily(
            "factfold_queue_messages", "Messages in a queue, approximately.", labels=["queue", "state"]
        )
        for queue in seen.queues:
            for state in ("visible", "in_flight", "delayed"):
                messages.add_metric([queue.queue, state], getattr(queue, state))
        yield messages


def _log(signs: VitalSigns) -> Iterator[Metric]:
    yield _gauge("log_head_position", "The position of the newest event in the log.", signs.head)
    yield _gauge("pending_events", "Committed events without a position.", signs.pending)
    yield _gauge("pending_age_seconds", "How long the oldest of them has waited.", signs.pending_seconds or 0.0)
    if signs.sequenced_seconds is not None:
        yield _gauge("log_age_seconds", "Since a position was last given.", signs.sequenced_seconds)
    age = GaugeMetricFamily("factfold_doorbell_age_seconds", "Since a shard was last rung for.", labels=["shard"])
    unrung = GaugeMetricFamily("factfold_doorbell_unrung_events", "Events not yet rung for.", labels=["shard"])
    for bell in signs.doorbells:
        if bell.rung_seconds is not None:
            age.add_metric([str(bell.shard)], bell.rung_seconds)
        unrung.add_metric([str(bell.shard)], bell.unrung_events)
    yield age
    yield unrung


_SHARD_GAUGES: Mapping[str, str] = {
    "position": "How far a projection's shard has come in the log.",
    "lag_events": "Events a projection's shard has not folded yet.",
    "lag_seconds": "How long the first event it has not folded has had its position; 0 when it has folded all.",
    "still_seconds": "Since a projection's shard was last at work.",
    "last_batch_events": "Events in the last batch.",
    "last_batch_seconds": "How long the last batch took.",
}
_SHARD_COUNTERS: Mapping[str, tuple[str, str]] = {
    "events": ("shard_seq", "Events folded, by all processes and for ever."),
    "batches": ("batches", "Batches folded, by all processes and for ever."),
    "busy_seconds": ("busy_seconds", "Time spent on batches, by all processes and for ever."),
}


def _projections(signs: VitalSigns) -> Iterator[Metric]:
    names = ["projection", "version", "state", "shard"]
    for field, text in _SHARD_GAUGES.items():
        gauge = GaugeMetricFamily(f"factfold_projection_{field}", text, labels=names)
        for shard in signs.shards:
            gauge.add_metric(_labels(shard), getattr(shard, field))
        yield gauge
    for name, (field, text) in _SHARD_COUNTERS.items():
        counter = CounterMetricFamily(f"factfold_projection_{name}", text, labels=names)
        for shard in signs.shards:
            counter.add_metric(_labels(shard), getattr(shard, field))
        yield counter
    parked = {(one.projection, one.version): one for one in signs.parked}
    streams = GaugeMetricFamily("factfold_parked_streams", "Streams set aside.", labels=names[:2])
    events = GaugeMetricFamily("factfold_parked_events", "Events that wait in them.", labels=names[:2])
    for key in sorted({(shard.projection, shard.version) for shard in signs.shards} | parked.keys()):
        labels = [key[0], str(key[1])]
        streams.add_metric(labels, parked[key].streams if key in parked else 0)
        events.add_metric(labels, parked[key].events if key in parked else 0)
    yield streams
    yield events


def _labels(shard: ShardSigns) -> Sequence[str]:
    return [shard.projection, str(shard.version), shard.state, str(shard.shard)]


def _figures(signs: VitalSigns, *, redis_refresh: int | None) -> Iterator[Metric]:
    figures = signs.figures
    if figures is None:
        return
    yield _gauge("figures_position", "The position up to which figures can be read.", figures.position)
    yield _gauge("figures_refresh", "How often the aggregates have been refreshed.", figures.seq)
    yield _gauge("figures_age_seconds", "Since that position became readable.", figures.fresh_seconds)
    yield _gauge("figures_lag_seconds", "From that event's recording until it was readable.", figures.lag_ms / 1000)
    yield _gauge("figures_unread_events", "Events that are folded and cannot be read yet.", figures.unread_events)
    if redis_refresh is not None:
        yield _gauge("redis_behind", "Refreshes Redis is behind the tables.", figures.seq - redis_refresh)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"factfold_{name}", text, value=value)
