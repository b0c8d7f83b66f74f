"""What AWS Lambda runs: the door to the projectors, with its spans sent before the function is frozen."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("FACTFOLD_ANONYMOUS", "true")  # nobody can ask this process anything

from config.tracing import start_tracing
from projections.delivery import lambda_handler

_FLUSH_MS = 1_000
_provider = start_tracing("lambda")


def handler(event: dict[str, Any], context: lambda_handler.Context) -> dict[str, list[dict[str, str]]]:
    """This will answer a batch of bells; see `projections.delivery.lambda_handler`."""
    try:
        return lambda_handler.handler(event, context)
    finally:
        if _provider is not None:
            _provider.force_flush(_FLUSH_MS)
