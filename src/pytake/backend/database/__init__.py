"""PostgreSQL: models, sessions, migrations."""
