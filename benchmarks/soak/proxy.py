"""A TCP proxy on loopback that delays, cuts and refuses, ahead of a server that means well."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

CHUNK = 65536


@dataclass(frozen=True)
class Fault:
    """What is done to one exchange of request and answer.

    Attributes:
        delay_s: seconds before the answer begins.
        request_bytes: of the request that reach the server before the connection is cut; None for all.
        answer_bytes: of the answer that come back before it is cut, 0 for none of it; None for all.
    """

    delay_s: float = 0.0
    request_bytes: int | None = None
    answer_bytes: int | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the exchange does not come to its end."""
        return self.request_bytes is not None or self.answer_bytes is not None


class Proxy:
    """Forwards to a server of this machine.

    Args:
        target: port of the server.

    Attributes:
        choose: called for what is done to the next exchange; may be changed at any time.
        exchanges: how many there were.
        harmed: how many of them were cut.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.choose: Callable[[], Fault] = Fault
        self.exchanges = self.harmed = 0
        self._connections: set[_Connection] = set()
        self._listener: socket.socket | None = None
        self._guard = threading.Lock()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])

    @property
    def uri(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def come_up(self) -> None:
        """Listen, on the port of before where it had died."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def die(self) -> None:
        """Cut all connections and refuse new ones."""
        with self._guard:
            listener, self._listener = self._listener, None
            connections = list(self._connections)
            self._connections.clear()
        if listener is not None:
            _close(listener)
        for connection in connections:
            connection.close()

    def draw(self) -> Fault:
        """What is done to an exchange that begins."""
        with self._guard:
            fault = self.choose()
            self.exchanges += 1
            self.harmed += fault.is_cut
        return fault

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # it has died
                return
            try:
                connection = _Connection(self, client, socket.create_connection(("127.0.0.1", self.target)))
            except OSError:
                _close(client)
                continue
            with self._guard:
                is_alive = self._listener is listener
                self._connections.add(connection)
            if not is_alive:
                connection.close()
                return
            for pump in (connection.ask, connection.answer):
                threading.Thread(target=pump, daemon=True).start()


class _Connection:
    """A client's connection, and ours to the server: HTTP without pipelining is a request, then its answer."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.fault = Fault()
        self.asked = self.answered = 0  # bytes of this exchange
        self.is_between = True  # the next byte of the client begins an exchange

    def ask(self) -> None:
        """Forward requests until one side has enough."""
        with suppress(OSError):
            while data := self.client.recv(CHUNK):
                if self.is_between:
                    self.fault, self.asked, self.answered, self.is_between = self.proxy.draw(), 0, 0, False
                most = self.fault.request_bytes
                data = data if most is None else data[: most - self.asked]
                self.asked += len(data)
                self.server.sendall(data)
                if most is not None and self.asked >= most:
                    break
        self.close()

    def answer(self) -> None:
        """Forward answers until one side has enough."""
        with suppress(OSError):
            while data := self.server.recv(CHUNK):
                if not self.answered:
                    time.sleep(self.fault.delay_s)
                most = self.fault.answer_bytes
                data = data if most is None else data[: most - self.answered]
                self.answered += len(data)
                self.is_between = True
                self.client.sendall(data)
                if most is not None and self.answered >= most:
                    break
        self.close()

    def close(self) -> None:
        """End both sides."""
        _close(self.client)
        _close(self.server)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it, which closing alone does not
    with suppress(OSError):
        one.close()


@contextmanager
def proxied(target: int) -> Iterator[Proxy]:
    """A proxy ahead of a port for the time of the block."""
    proxy = Proxy(target)
    proxy.come_up()
    try:
        yield proxy
    finally:
        proxy.die()


def draw_faults(rng: random.Random, share: float, longest_s: float) -> Callable[[], Fault]:
    """Faults by chance: a share of the exchanges is cut, in the request, ahead of the answer or in the answer.

    Args:
        rng: draws.
        share: of exchanges that are cut, in [0, 1].
        longest_s: delay of the slowest answers; the others are quicker, half of them at once.
    """

    def choose() -> Fault:
        delay_s = max(0.0, rng.uniform(-longest_s, longest_s))
        if rng.random() >= share:
            return Fault(delay_s)
        kind = rng.randrange(3)
        if kind == 0:
            return Fault(delay_s, request_bytes=rng.randrange(1, 400))
        return Fault(delay_s, answer_bytes=0 if kind == 1 else rng.randrange(1, 200))

    return choose
