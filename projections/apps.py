"""What happens around `migrate`: the views of schema `bi` are this release's, and in no migration's way."""

import logging
from collections.abc import Sequence
from typing import Any

import psycopg
from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate

logger = logging.getLogger(__name__)


class ProjectionsConfig(AppConfig):
    name = "projections"

    def ready(self) -> None:
        """This will have the views made at the end of each `migrate`, and dropped before one that alters tables."""
        pre_migrate.connect(_hide, sender=self)
        post_migrate.connect(_publish, sender=self)


def _hide(plan: Sequence[tuple[Any, bool]], **told: Any) -> None:
    from django.conf import settings

    from projections.bi import hide

    if any(migration.app_label == "projections" for migration, _ in plan):
        with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True) as connection, connection.transaction():
            hide(connection)


def _publish(plan: Sequence[tuple[Any, bool]], **told: Any) -> None:
    from django.conf import settings

    from projections.bi import publish

    if any(backwards for _, backwards in plan):
        return
    try:
        publish(settings.FACTFOLD.database_url)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction) as error:
        why = error.diag.message_primary
        logger.warning("schema bi waits for `manage.py rebuild figures`: the live version is older, %s", why)
