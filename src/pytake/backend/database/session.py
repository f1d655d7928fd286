"""Engine and sessions."""

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from pytake.backend.settings import Settings

Sessions = async_sessionmaker[AsyncSession]


def make_engine(settings: Settings, *, name: str) -> AsyncEngine:
    """An engine whose statements end after ``database_timeout``; ``name`` is what ``pg_stat_activity`` shows."""
    return create_async_engine(
        settings.database_url,
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_max_overflow,
        pool_timeout=settings.database_timeout,
        pool_pre_ping=False,
        pool_recycle=1800,
        connect_args={
            "timeout": settings.database_timeout,
            "command_timeout": settings.database_timeout,
            "server_settings": {"application_name": name, "jit": "off"},
        },
    )


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Sessions whose objects stay readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)
