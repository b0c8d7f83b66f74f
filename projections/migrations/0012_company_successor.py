from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from projections.emptying import empty_versions_without


def begin_anew(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Versions made before count a company that goes on under another CIK twice."""
    empty_versions_without(schema_editor, "companies_ahead")


class Migration(migrations.Migration):
    dependencies = [("projections", "0011_members_of")]
    operations = [migrations.RunPython(begin_anew, reverse_code=migrations.RunPython.noop)]
