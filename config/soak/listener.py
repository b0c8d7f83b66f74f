"""A projector of a soak run: hears what the relay passes on, and answers as every door does."""

import base64
import time
from typing import Any

import msgspec
from redis.exceptions import RedisError

from config.soak.relay import HEARD, patient
from projections.delivery.answering import answer

_PAUSE_SECONDS = 0.1


def listen(*, redis_url: str) -> None:
    """This will answer bells for ever."""
    redis = patient(redis_url)
    while True:
        try:
            heard: Any = redis.brpop([HEARD], timeout=1)
        except RedisError:
            time.sleep(_PAUSE_SECONDS)
            continue
        if heard is not None:
            _, arguments, _ = msgspec.json.decode(base64.b64decode(msgspec.json.decode(heard[1])["body"]))
            answer({arguments["shard"]: arguments["to_seq"]})
