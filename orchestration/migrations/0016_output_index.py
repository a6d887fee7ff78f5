"""The index of the search over answers, as each database has it."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SQLITE = [
    """
    CREATE VIRTUAL TABLE orchestration_outputindex
    USING fts5(prompt, answer, marks, tokenize = "unicode61 remove_diacritics 0", prefix = '3')
    """
]
# Each tsvector apart from its row: a question that the GIN index answers then reads few pages.
POSTGRESQL = [
    "CREATE TABLE orchestration_outputindex (task_id bigint PRIMARY KEY, words tsvector NOT NULL)",
    "ALTER TABLE orchestration_outputindex ALTER COLUMN words SET STORAGE EXTERNAL",
    "ALTER TABLE orchestration_outputindex SET (toast_tuple_target = 128)",
    "CREATE INDEX output_words ON orchestration_outputindex USING gin (words) WITH (gin_pending_list_limit = 1024)",
]


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL:
        schema_editor.execute(statement)


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute("DROP TABLE orchestration_outputindex")


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0015_usage_and_retention")]

    operations = [migrations.RunPython(create, drop)]
