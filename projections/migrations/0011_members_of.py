from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from projections.emptying import empty_versions_without


def begin_anew(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Groups are followed by a function that versions made before do not have."""
    empty_versions_without(schema_editor, "members_of")


class Migration(migrations.Migration):
    dependencies = [("projections", "0010_building_groups")]
    operations = [migrations.RunPython(begin_anew, reverse_code=migrations.RunPython.noop)]
