"""Thrift batches are converted beside the event loop: large ones in processes of their own.

Decoding Thrift makes a Python object of every tag, so one process cannot take as many spans as with OTLP. The processes
start with the first large batch and load nothing but the conversion.
"""

import asyncio
import sys

from pytake.embedded.jaeger import thrift
from pytake.embedded.jaeger.receive import MalformedError, UnavailableError

LARGE = 32 * 1024


class _Worker:
    """One converting process and the pipe to it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def convert(self, body: bytes) -> bytes:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "pytake.embedded.jaeger.thrift",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True, limit=2**22,
            )  # fmt: skip
        source, target = self._process.stdout, self._process.stdin
        assert source is not None
        assert target is not None
        try:
            target.write(thrift.FRAME.pack(0, len(body)) + body)
            header = await source.readexactly(thrift.FRAME.size)
            status, length = thrift.FRAME.unpack(header)
            answer = await source.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise UnavailableError("the converting process ended; send again") from error
        except asyncio.CancelledError:
            self.close()  # its answer would be taken for the next batch's
            raise
        if status:
            raise MalformedError(answer.decode())
        return answer

    def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._process = None


class ThriftConverter:
    """Converts batches."""

    def __init__(self, processes: int = 2) -> None:
        self._workers = [_Worker() for _ in range(processes)]
        self._free: asyncio.Queue[_Worker] = asyncio.Queue()
        for worker in self._workers:
            self._free.put_nowait(worker)

    async def convert(self, body: bytes) -> bytes:
        """The OTLP request. Raises :class:`MalformedError`, :class:`UnavailableError` when a process died."""
        if len(body) < LARGE or not self._workers:
            try:
                return thrift.convert(body)
            except thrift.ThriftError as error:
                raise MalformedError(str(error)) from error
        worker = await self._free.get()
        try:
            return await worker.convert(body)
        finally:
            self._free.put_nowait(worker)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.close()
