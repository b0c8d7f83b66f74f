from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from projections.emptying import empty_versions_without


def begin_anew(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Versions made before keep splits that only a withdrawn filing showed, and count facts of days yet to come."""
    empty_versions_without(schema_editor, "company_split.known_to")


class Migration(migrations.Migration):
    dependencies = [("projections", "0013_rules")]
    operations = [migrations.RunPython(begin_anew, reverse_code=migrations.RunPython.noop)]
