from pathlib import Path

from django.db import migrations

FOLDER = Path(__file__).parent.parent


class Migration(migrations.Migration):
    dependencies = [("projections", "0002_rebuilding")]
    operations = [
        migrations.RunSQL(
            (FOLDER / "batch_totals.sql").read_text(encoding="utf-8"),
            reverse_sql="""
            alter table projections.checkpoint
                drop column batches, drop column busy_seconds,
                drop column last_batch_events, drop column last_batch_seconds
            """,
        ),
    ]
