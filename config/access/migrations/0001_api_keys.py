from pathlib import Path

from django.db import migrations

SCHEMA = (Path(__file__).parent.parent / "schema.sql").read_text(encoding="utf-8")


class Migration(migrations.Migration):
    initial = True
    operations = [migrations.RunSQL(SCHEMA, reverse_sql="drop schema access cascade")]
