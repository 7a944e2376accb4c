"""A TCP proxy on loopback that delays each direction, and counts bytes and turns (flights of the client).

One thread, one loop. It acknowledges at once and never waits to fill a segment, so what it adds is its delay and
nothing of Nagle's.
"""

import collections
import selectors
import socket
import struct
import threading
import time

# far enough that a round trip too many stands out from the noise of a busy machine
ROUND_TRIP_SECONDS = 0.2


class Flow:
    """One direction of one connection: bytes on their way, each with the time it is due."""

    def __init__(self, source, sink, upward):
        self.source, self.sink, self.upward = source, sink, upward
        self.under_way = collections.deque()
        self.open = True


class DelayProxy:
    def __init__(self, target, one_way_seconds):
        self.target, self.one_way = target, one_way_seconds
        self.up_bytes = self.down_bytes = self.turns = 0
        self._flight_began = -one_way_seconds
        self._sent = []  # upwards: when, how many bytes, whether a turn began
        self._flows = []
        self._listener = socket.create_server(('127.0.0.1', 0), backlog=100)
        self.port = self._listener.getsockname()[1]
        self._asks, self._asked = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._selector.register(self._asked, selectors.EVENT_READ, self._asked)
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def waited_for(self, since, came):
        """The turns and the bytes since then that can have led to what came at that time: what was sent less than a
        round trip before it has led to nothing yet."""
        sent = [(size, turn) for when, size, turn in self._sent if since <= when <= came - 2 * self.one_way]
        return sum(turn for _, turn in sent), sum(size for size, _ in sent)

    def cut(self):
        """Reset every connection, as a firewall that lost its state does."""
        self._asks.send(b'c')

    def close(self):
        self._asks.send(b'q')
        self._thread.join()
        for sock in {self._listener, self._asks, self._asked, *(flow.source for flow in self._flows)}:
            sock.close()
        self._selector.close()

    def _loop(self):
        while True:
            for key, _ in self._selector.select(self._until_next()):
                if key.data is None:
                    self._accept()
                elif key.data is self._asked:
                    if self._asked.recv(1) == b'q':
                        return
                    self._reset()
                    break  # the other events of this turn are of sockets that are closed now
                else:
                    self._read(key.data)
            self._deliver()

    def _until_next(self):
        due = [flow.under_way[0][0] for flow in self._flows if flow.under_way]
        return max(0, min(due) - time.monotonic()) if due else None

    def _accept(self):
        client, _ = self._listener.accept()
        server = socket.create_connection(self.target)
        for source, sink, upward in ((client, server, True), (server, client, False)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            flow = Flow(source, sink, upward)
            self._flows.append(flow)
            self._selector.register(source, selectors.EVENT_READ, flow)

    def _read(self, flow):
        now = time.monotonic()
        try:
            data = flow.source.recv(65536)
            flow.source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        except OSError:
            data = b''
        if not data:
            self._selector.unregister(flow.source)
        elif flow.upward:
            # what the client sends within half a round trip cannot be an answer to what it has just caused
            turns = now > self._flight_began + self.one_way
            if turns:
                self._flight_began = now
            self.up_bytes += len(data)
            self.turns += turns
            self._sent.append((now, len(data), turns))
        else:
            self.down_bytes += len(data)
        flow.under_way.append((now + self.one_way, data))

    def _deliver(self):
        now = time.monotonic()
        for flow in self._flows:
            while flow.under_way and flow.under_way[0][0] <= now:
                _, data = flow.under_way.popleft()
                try:
                    flow.sink.sendall(data) if data else flow.sink.shutdown(socket.SHUT_WR)
                except OSError:
                    flow.under_way.clear()
                flow.open = flow.open and bool(data)
        self._forget_finished()

    def _forget_finished(self):
        finished = [flow for flow in self._flows if not flow.open]
        ended = {flow.source for flow in finished} & {flow.sink for flow in finished}
        for sock in ended:
            sock.close()
        self._flows = [flow for flow in self._flows if flow.source not in ended]

    def _reset(self):
        for flow in self._flows:
            if flow.source in self._selector.get_map():
                self._selector.unregister(flow.source)
            flow.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            flow.source.close()
        self._flows = []
