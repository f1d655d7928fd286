"""Thrift batches are converted beside the event loop: small ones in a thread, large ones in processes of their own.

Decoding Thrift makes a Python object of every tag, so one process cannot take as many spans as with OTLP.
"""

import asyncio
import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from pytake.embedded.jaeger import thrift
from pytake.embedded.jaeger.receive import MalformedError, UnavailableError

LARGE = 64 * 1024


def _ignore_signals() -> None:
    """The parent says when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def convert(body: bytes) -> bytes:
    """A batch as an OTLP request. Raises :class:`~.thrift.ThriftError`."""
    return thrift.to_otlp(thrift.decode(body))


class ThriftConverter:
    """Converts batches; processes start with the first large batch."""

    def __init__(self, processes: int = 2) -> None:
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None

    async def convert(self, body: bytes) -> bytes:
        """The OTLP request. Raises :class:`MalformedError`, :class:`UnavailableError` when a process died."""
        try:
            if len(body) < LARGE or not self._processes:
                return convert(body)
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self._processes, context, initializer=_ignore_signals)
            return await asyncio.get_running_loop().run_in_executor(self._pool, convert, body)
        except thrift.ThriftError as error:
            raise MalformedError(str(error)) from error
        except BrokenProcessPool as error:
            self._pool = None
            raise UnavailableError("the converting process ended; send again") from error

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
