"""The Celery application: one queue, on which a doorbell wakes the projectors."""

import os

from celery import Celery
from celery.signals import worker_process_init, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from config.ready import announce_ready
from config.tracing import start_tracing
from projections.memory import expect_many_plain_objects

app = Celery("factfold", broker=settings.FACTFOLD.redis_url)
# For every thread: without this `current_app` is known only to the thread that made it.
app.set_default()
app.conf.update(
    imports=("projections.delivery.tasks",),
    task_default_queue="factfold",
    task_ignore_result=True,
    # A lost bell is rung again by the sweeper, so a worker may take its message before it has done the work.
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"global_keyprefix": "{ff-celery}:", "socket_keepalive": True},
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
