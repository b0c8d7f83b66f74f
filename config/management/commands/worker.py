"""`manage.py worker`: places events in the log, rings doorbells, sweeps up what a doorbell missed."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.worker import run_worker


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C. As many as you like may run; they share the work."""

    help = "Run the background loops: sequencer, publisher, sweeper. Ends cleanly on SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        run_worker(settings.FACTFOLD)
