from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from projections.emptying import empty_versions_without


def begin_anew(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Nothing but the log knows the numerators and denominators that values of ratios now carry."""
    empty_versions_without(schema_editor, "dirty_cell")


class Migration(migrations.Migration):
    dependencies = [("projections", "0006_size_classes")]
    operations = [migrations.RunPython(begin_anew, reverse_code=migrations.RunPython.noop)]
