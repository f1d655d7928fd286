"""``python -m pytake.backend.migrate``: bring the database to this version's tables.

Exit codes: 0 done (or nothing to do), 1 the database cannot be reached or refuses, 2 wrong usage.
"""

import argparse
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from pytake.backend.settings import get_settings

MIGRATIONS = Path(__file__).parent / "database" / "migrations"


def alembic_config(url: str) -> Config:
    """Alembic's configuration without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the database at ``url`` (SQLAlchemy's asyncpg form) to ``revision``."""
    command.upgrade(alembic_config(url), revision)


def newest_revision() -> str:
    """The revision that this code expects."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert head is not None, "there are migrations"
    return head


async def current_revision(engine: AsyncEngine) -> str | None:
    """The revision that the database has; ``None`` before the first migration."""
    async with engine.connect() as connection:
        try:
            revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        except ProgrammingError:
            return None
    return revision


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m pytake.backend.migrate", description=__doc__)
    parser.add_argument("--revision", default="head", help="revision to migrate to (default: the newest)")
    arguments = parser.parse_args(argv)
    config = alembic_config(get_settings().database_url)
    try:
        command.upgrade(config, arguments.revision)
    except (OSError, SQLAlchemyError) as error:
        print(f"migrate: {error}\nIs PostgreSQL running, and is PYTAKE_DATABASE_URL right?", file=sys.stderr)
        return 1
    print(f"migrate: at revision {newest_revision()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
