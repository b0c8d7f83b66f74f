from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("projections", "0012_company_successor")]
    operations = [
        migrations.RunSQL(
            "alter table projections.projection add rules text",
            reverse_sql="alter table projections.projection drop column rules",
        ),
    ]
