"""Thrift batches are converted in processes of their own, which start with the first batch.

Decoding Thrift makes a Python object of every tag, so one process cannot take as many spans as with OTLP. And a few
bytes can claim two billion elements that take no space: whoever decodes them is busy for a long time, so the process is
ended when it does not answer in time.
"""

import asyncio
import sys

from pytake.embedded.jaeger import thrift
from pytake.embedded.jaeger.receive import MalformedError, UnavailableError

SECONDS = 5.0


class _Worker:
    """One converting process and the pipe to it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def convert(self, body: bytes, seconds: float) -> bytes:
        process = await self._started()
        try:
            async with asyncio.timeout(seconds):
                status, answer = await self._ask(process, body)
        except TimeoutError as error:
            await self.close()
            raise MalformedError(f"the batch could not be decoded in {seconds:g} s") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            await self.close()
            raise UnavailableError("the converting process ended; send again") from error
        except asyncio.CancelledError:
            await self.close()  # its answer would be taken for the next batch's
            raise
        if status:
            raise MalformedError(answer.decode())
        return answer

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "pytake.embedded.jaeger.thrift",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True, limit=2**22,
            )  # fmt: skip
            assert self._process.stdout is not None
            await self._process.stdout.readexactly(1)  # it has loaded
        return self._process

    async def _ask(self, process: asyncio.subprocess.Process, body: bytes) -> tuple[int, bytes]:
        source, target = process.stdout, process.stdin
        assert source is not None
        assert target is not None
        target.write(thrift.FRAME.pack(0, len(body)) + body)
        status, length = thrift.FRAME.unpack(await source.readexactly(thrift.FRAME.size))
        return status, await source.readexactly(length)

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.communicate()


class ThriftConverter:
    """Converts batches."""

    def __init__(self, processes: int = 2, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._workers = [_Worker() for _ in range(processes)]
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._free.put_nowait(worker)

    async def convert(self, body: bytes) -> bytes:
        """The OTLP request. Raises :class:`MalformedError`, :class:`UnavailableError` when a process died."""
        worker = await self._free.get()
        try:
            return await worker.convert(body, self._seconds)
        finally:
            self._free.put_nowait(worker)

    async def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            await worker.close()
