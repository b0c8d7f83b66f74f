"""A loop outlives a server that goes away, and ends at once when asked."""

import threading

import psycopg

from config.worker import Loop, Pauses


class TestLoop:
    def test_connects_again_when_its_connection_is_cut(self, connection: psycopg.Connection, database_url: str) -> None:
        stopping = threading.Event()
        sessions: list[int] = []

        def step(own: psycopg.Connection) -> int:
            sessions.append(own.info.backend_pid)
            if len(set(sessions)) == 2:
                stopping.set()
            else:
                connection.execute("select pg_terminate_backend(%s)", [own.info.backend_pid])
                own.execute("select 1")
            return 1

        Loop("test", step, idle=Pauses(1, 1)).run(database_url=database_url, stopping=stopping)

        assert len(set(sessions)) == 2

    def test_ends_in_the_middle_of_a_pause(self, database_url: str) -> None:
        stopping = threading.Event()
        stepped = threading.Event()

        def step(own: psycopg.Connection) -> int:
            stepped.set()
            return 0

        loop = Loop("test", step, idle=Pauses(3_600_000, 3_600_000))
        thread = threading.Thread(target=loop.run, kwargs={"database_url": database_url, "stopping": stopping})
        thread.start()
        stepped.wait()
        stopping.set()
        loop.wake()
        thread.join(timeout=60)

        assert not thread.is_alive()

    def test_ends_the_wait_of_the_one_it_makes_work_for(self, database_url: str) -> None:
        stopping = threading.Event()
        looked: list[int] = []

        def look(own: psycopg.Connection) -> int:
            looked.append(len(looked))
            if len(looked) == 2:
                stopping.set()
                second.wake()
            return 0

        an_hour = Pauses(3_600_000, 3_600_000)
        second = Loop("second", look, idle=an_hour)
        first = Loop("first", lambda own: 1, idle=an_hour, busy=Pauses(1, 1), then=second)
        threads = [
            threading.Thread(target=loop.run, kwargs={"database_url": database_url, "stopping": stopping}, daemon=True)
            for loop in (first, second)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)

        assert looked == [0, 1]
        assert not any(thread.is_alive() for thread in threads)
