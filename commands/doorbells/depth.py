"""How much lies in a queue."""

import msgspec


class QueueDepth(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of a queue, approximately: to be received, being worked on, and not to be received yet."""

    queue: str
    visible: int
    in_flight: int
    delayed: int
