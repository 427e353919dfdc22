# SPDX-License-Identifier: MIT
"""The scenario of moves: a server at work is killed, its database moves from a file to PostgreSQL
or back, with kill -9 in the middle of each move, and another server goes on where the last one
stopped.
"""

import subprocess
import time
from urllib.parse import urlsplit

from cluster_world import Door, Editor
from harness.postgres import Postgres
from harness.program import BINARY, clean_environment, run_to_end
from harness.wait import wait_until
from world import World, run_for

TTL = "2s"
WORK_SECONDS = (1.5, 3)
MOVE_SECONDS = 60
KILLS_PER_MOVE = 3
FIRST_MOVE_SECONDS = 0.5  # How long a move takes, before one has been seen.
NOT_REACHED = "the database cannot be reached"
IS_MOVED = "start there, or move that back into a new database"
STILL_AT_WORK = "at work on the database"
OPEN_CHANGES = "SELECT count(*) FROM commands WHERE replied_at IS NULL"
STILL_TO_DO = "not carried out yet: start a node"


class DoorOfWhoeverListens(Door):
    """What was asked of a node that died may be made by the next one: so a client asks again, under
    the same key, until it is answered."""

    def __init__(self, world):
        self._world = world

    @property
    def port(self):
        return self._world.listening.port


class MovingWorld(World):
    @property
    def door(self):
        return DoorOfWhoeverListens(self)


class Mover:
    """Moves the database of a world to and fro."""

    def __init__(self, world, postgres):
        self.world = world
        self.postgres = postgres
        self.seconds = FIRST_MOVE_SECONDS
        self.places = 0
        self.moves = self.kills = self.taken_back = 0

    @property
    def is_on_postgres(self):
        return str(self.world.database).startswith("postgresql://")

    def _new_place(self):
        self.places += 1
        if self.is_on_postgres:
            return self.world.folder / f"moved-{self.places}.db"
        return self.postgres.make_database(f"moved_{self.places}")

    def move(self, kills):
        """The world's database is another one afterwards."""
        source, target = self.world.database, self._new_place()
        for _ in range(kills):
            if self._ends_within(self.world.random.uniform(0, self.seconds), source, target):
                break
            if self.world.random.randrange(4) == 0 and self._takes_back(source, target):
                self._work_for_a_moment()
                target = self._new_place()
        self._finish(source, target)
        self.world.database = target
        self.moves += 1

    def _command(self, *arguments):
        return [BINARY, "move", *map(str, arguments)]

    def _ends_within(self, seconds, source, target):
        """False: the move was killed on its way."""
        process = subprocess.Popen(
            self._command(source, target),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_environment(),
        )
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.kills += 1
            return False

    def _takes_back(self, source, target):
        """A move that was broken off is taken back, unless it was complete."""
        end = run_to_end("move", source, target, "--take-back")
        self.taken_back += end.returncode == 0
        return end.returncode == 0

    def start(self):
        """As often as it takes: a start at which the database cannot be reached in time fails."""
        self.world.launch()
        while not self.world.lives_to_listen():
            assert NOT_REACHED in self.world.server.log_tail(), self.world.last_words()
            self.world.launch()

    def _work_for_a_moment(self):
        self.start()
        self.world.rest(WORK_SECONDS)
        self.world.end_now()

    def _carry_out_changes(self):
        """A node starts for a moment, as the refusal says."""
        self.start()
        database = urlsplit(self.world.database).path.lstrip("/")
        wait_until(
            lambda: self.postgres.ask(OPEN_CHANGES, database) == [["0"]],
            MOVE_SECONDS,
            "the changes are carried out",
        )
        self.world.server.stop()

    def _finish(self, source, target):
        """While the server's node is not known to be dead yet, a move is refused; so it is when the
        node has left changes behind that it had accepted, until another node has made them."""

        def is_done():
            began = time.monotonic()
            end = run_to_end("move", source, target, seconds=MOVE_SECONDS)
            if end.returncode == 0 or IS_MOVED in end.stderr:  # It was killed on its last way out.
                self.seconds = time.monotonic() - began
                return True
            if STILL_TO_DO in end.stderr:
                self._carry_out_changes()
            assert STILL_TO_DO in end.stderr or STILL_AT_WORK in end.stderr, end
            return False

        wait_until(is_done, MOVE_SECONDS, f"{source} is moved to {target}")


def move(world, options):
    """SQLite -> PostgreSQL -> SQLite, and so on, with kill -9 of server and move."""
    postgres = world.cleanup.enter_context(Postgres())
    mover = Mover(world, postgres)
    world.start()
    world.create_load(share=0.5)
    with Editor(world) as editor:
        while mover.kills + world.kills < options.kills or mover.is_on_postgres:
            world.rest(WORK_SECONDS)
            world.end_now()
            mover.move(KILLS_PER_MOVE)
            world.arguments = ("--lease-ttl", TTL) if mover.is_on_postgres else ()
            mover.start()
    run_for(1)
    world.finish()
    told = f"kill_move={mover.kills}, kill_server={world.kills}, take_back={mover.taken_back}"
    return [f"faults={mover.kills + world.kills}", told, f"moves={mover.moves}",
            f"edits={editor.answered}"]
