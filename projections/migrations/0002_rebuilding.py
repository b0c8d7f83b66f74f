from pathlib import Path

from django.db import migrations

REBUILDING = (Path(__file__).parent.parent / "rebuilding.sql").read_text(encoding="utf-8")


class Migration(migrations.Migration):
    dependencies = [("projections", "0001_figures")]
    operations = [
        migrations.RunSQL(
            REBUILDING,
            reverse_sql="""
            drop table projections.building;
            alter table projections.parked drop attempts;
            alter table projections.projection drop generation;
            """,
        ),
    ]
