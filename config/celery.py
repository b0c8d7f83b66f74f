"""The Celery application: one queue, on which a doorbell wakes the projectors."""

import os
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from celery.signals import worker_process_init, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from commands.doorbells.celery import QUEUE
from config.env import Settings
from config.ready import announce_ready
from config.tracing import start_tracing
from projections.memory import expect_many_plain_objects


def broker_of(settings: Settings) -> dict[str, Any]:
    """This will say, in Celery's words, where bells ring: in lists of the installation's Redis, or in an SQS queue."""
    if settings.doorbell != "celery-sqs":
        return {
            "broker_url": settings.redis_url,
            "broker_transport_options": {"global_keyprefix": "{ff-celery}:", "socket_keepalive": True},
        }
    endpoint = urlsplit(settings.aws_endpoint_url or "https:")
    return {
        "broker_url": f"sqs://{endpoint.netloc}",
        "broker_transport": "config.celery_sqs:Transport",
        "broker_transport_options": {
            "region": settings.aws_region,
            "is_secure": endpoint.scheme == "https",
            # With a queue that is named nothing else is asked of SQS than to send, receive and delete.
            "predefined_queues": {QUEUE: {"url": settings.sqs_queue_url}},
            "wait_time_seconds": 5,
            "polling_interval": 0.02,
            "client-config": {"connect_timeout": 3, "read_timeout": 25, "retries": {"total_max_attempts": 2}},
        },
    }


app = Celery("factfold")
# For every thread: without this `current_app` is known only to the thread that made it.
app.set_default()
app.conf.update(
    imports=("projections.delivery.tasks",),
    task_default_queue=QUEUE,
    task_ignore_result=True,
    # A lost bell is rung again by the sweeper, so a worker may take its message before it has done the work.
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    **broker_of(settings.FACTFOLD),
)


@worker_process_init.connect
def spare_the_collector(**_: object) -> None:
    """This will make each process of the worker ready for batches of many facts."""
    expect_many_plain_objects()


@worker_process_init.connect
def trace_tasks(**_: object) -> None:
    """This will send the spans of each process on their way: the threads that do so would not survive the fork."""
    start_tracing("celery")


@worker_ready.connect
def tell_ready(**_: object) -> None:
    """This will tell `manage.py up` that the worker takes messages."""
    announce_ready()
