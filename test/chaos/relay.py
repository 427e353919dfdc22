# SPDX-License-Identifier: MIT
"""Links between a node and a server of PostgreSQL or Redis, which can be cut, slow, or dead.

A link listens on a socket of its own, and carries bytes to the server's socket and back. It knows
nothing of what it carries. `Links` is the thread on which all links live; the faults of a link are
called on the thread of the scenario.
"""

import asyncio
import os
import random
import threading
from contextlib import suppress

from harness.neighbours import OwnFolder

PIECE_BYTES = 65536


class Pair:
    """One connection of a node, and the one to the server behind it."""

    def __init__(self, link, near, far):
        self.link = link
        self.near = near  # (reader, writer) each.
        self.far = far
        self.loses_answer = False

    async def carry(self):
        await asyncio.gather(
            self._pump(self.near[0], self.far[1], is_answer=False),
            self._pump(self.far[0], self.near[1], is_answer=True),
        )

    async def _pump(self, reader, writer, is_answer):
        """Ends with either side, once what was sent before has been delivered."""
        with suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                await self.link.wait()
                if is_answer and self.loses_answer:
                    return self.cut()
                writer.write(piece)
                await writer.drain()
            await self.link.wait()
            writer.close()
            return None

    def cut(self):
        for _, writer in (self.near, self.far):
            writer.transport.abort()


class Link:
    """`to`: the path of the server's socket."""

    def __init__(self, links, name, to, socket):
        self.call = links.call
        self.to = to
        self.folder = OwnFolder(name)
        self.path = self.folder / socket
        self._slow_seconds = 0
        self._passes = asyncio.Event()
        self._passes.set()
        self._pairs = set()
        self._server = None

    # --- Its faults ------------------------------------------------------------------------------

    def cut(self):
        """Both ends of each connection learn that it broke; what was under way is gone."""
        self.call(self._on_each(Pair.cut))

    def lose_answers(self):
        """Of each connection the next answer is lost, and the connection with it."""
        self.call(self._on_each(lambda pair: setattr(pair, "loses_answer", True)))

    def slow(self, seconds):
        """Each piece takes up to so long, in each direction."""
        self.call(self._slow(seconds))

    def hold(self):
        """Nothing comes through in either direction, and nobody learns of it. What was sent comes
        late, even when its sender has gone, as by TCP after a cable was pulled and put back."""
        self.call(self._hold())

    def heal(self):
        self.call(self._heal())

    # --- On the thread of the links --------------------------------------------------------------

    async def open(self):
        self._server = await asyncio.start_unix_server(self._accept, self.path, backlog=256)
        os.chmod(self.path, 0o777)

    async def wait(self):
        await self._passes.wait()
        if self._slow_seconds:
            await asyncio.sleep(random.uniform(0, self._slow_seconds))
            await self._passes.wait()

    async def _accept(self, reader, writer):
        await self.wait()
        try:
            far = await asyncio.open_unix_connection(self.to)
        except OSError:  # Nobody listens there.
            return writer.close()
        pair = Pair(self, (reader, writer), far)
        self._pairs.add(pair)
        try:
            return await pair.carry()
        except asyncio.CancelledError:  # The end of all links.
            return None
        finally:
            self._pairs.discard(pair)
            pair.cut()

    async def _on_each(self, act):
        for pair in list(self._pairs):
            act(pair)

    async def _slow(self, seconds):
        self._slow_seconds = seconds

    async def _hold(self):
        self._passes.clear()

    async def _heal(self):
        self._slow_seconds = 0
        self._passes.set()


def ignore_broken(loop, context):
    """Connections break here on purpose."""
    if not isinstance(context.get("exception"), OSError):
        loop.default_exception_handler(context)


class Links:
    """Use as a context manager: it carries from the beginning to the end of the block."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(ignore_broken)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.all = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.call(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for link in self.all:
            link.folder.close()

    @staticmethod
    async def _end_tasks():
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def add(self, name, to, socket="socket"):
        self.all.append(self.call(self._make(name, to, socket)))
        return self.all[-1]

    async def _make(self, name, to, socket):
        link = Link(self, name, to, socket)
        await link.open()
        return link
