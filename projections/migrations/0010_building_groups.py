from pathlib import Path

from django.db import migrations

TABLE = (Path(__file__).parent.parent / "building_groups.sql").read_text(encoding="utf-8")


class Migration(migrations.Migration):
    dependencies = [("projections", "0009_frame_values")]
    operations = [migrations.RunSQL(TABLE, reverse_sql="drop table projections.building_groups")]
