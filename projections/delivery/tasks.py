"""The door for Celery."""

from celery import shared_task

from projections.delivery.answering import answer


@shared_task(name="projections.catch_up", ignore_result=True)
def catch_up_shard(*, shard: int, to_seq: int) -> None:
    """This will bring a shard as far as its bell said. What another worker is at is left to that one."""
    answer({shard: to_seq})
