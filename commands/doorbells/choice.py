"""Which doorbell an installation has."""

from typing import Protocol

from commands.doorbells.celery import CeleryDoorbell
from commands.doorbells.sqs import SqsDoorbell, sqs_client
from commands.publishing import Doorbell


class DoorbellSettings(Protocol):
    """What the choice depends on: see `config.env.Settings`."""

    @property
    def doorbell(self) -> str: ...
    @property
    def sqs_queue_url(self) -> str | None: ...
    @property
    def aws_region(self) -> str | None: ...
    @property
    def aws_endpoint_url(self) -> str | None: ...


def chosen_doorbell(settings: DoorbellSettings) -> Doorbell:
    """This will make the doorbell an installation is configured for; Celery's configuration names its broker."""
    if settings.doorbell == "sqs" and settings.sqs_queue_url:
        client = sqs_client(region=settings.aws_region, endpoint_url=settings.aws_endpoint_url)
        return SqsDoorbell(client, queue_url=settings.sqs_queue_url)
    return CeleryDoorbell()
