"""
What happens around `migrate`: the views of schema `bi` are this release's, and in no migration's way, and figures that
another release worked out in another way are told of.
"""

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
        post_migrate.connect(_compare_rules, sender=self)


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


def _compare_rules(plan: Sequence[tuple[Any, bool]], **told: Any) -> None:
    from django.conf import settings

    from projections.catalog import PROJECTIONS
    from projections.projection import live_version
    from projections.rules import OTHER_RULES, adopt_rules, is_of_other_rules

    figures = PROJECTIONS["figures"]
    try:
        with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True) as connection:
            adopt_rules(connection, figures)
            if is_of_other_rules(connection, figures, live_version(connection, figures.name)):
                logger.warning(OTHER_RULES)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return  # No version remembers its rules before 0013.
