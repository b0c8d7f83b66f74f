from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("commands", "0002_former_names")]
    operations = [
        # A database made today has the column from the start: 0001 reads schema.sql as it is now.
        migrations.RunSQL(
            "alter table events.company_state add column if not exists size_class text",
            reverse_sql="alter table events.company_state drop column size_class",
        ),
    ]
