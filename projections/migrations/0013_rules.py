from django.db import migrations


class Migration(migrations.Migration):
    # Some installations were made while it had this name.
    replaces = [("projections", "0013_rules_and_places")]
    dependencies = [("projections", "0012_company_successor")]
    operations = [
        migrations.RunSQL(
            "alter table projections.projection add if not exists rules text",
            reverse_sql="alter table projections.projection drop column rules",
        ),
    ]
