from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from projections.emptying import empty_versions_without


def begin_anew(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Groups are followed from what their members last stood for, which versions made before do not hold."""
    empty_versions_without(schema_editor, "frame_value")


class Migration(migrations.Migration):
    dependencies = [("projections", "0008_changes")]
    operations = [migrations.RunPython(begin_anew, reverse_code=migrations.RunPython.noop)]
