"""Queues: many operations for many hosts, each host busy with its own, in their order."""
import sys
import traceback

from hopvine import operation
from hopvine.errors import ConnectionFailed, NotCompleted
from hopvine.given import leading, patience, time_limit
from hopvine.group import ErrorResult, Group, GroupResult, result_of
from hopvine.operation import Call, Command, Connecting, taken
from hopvine.tunnel import BaseTunnel


class AsyncResult(object):
    """What will come of an operation. `value`: that, of a host that failed an ErrorResult; raises NotCompleted before."""

    def __init__(self):
        self.completed = False
        self._value, self._callbacks = None, []
        # What cancel() stops.
        self.stoppable = []

    @classmethod
    def of(cls, started):
        """Of one operation that runs."""
        result = cls()
        result.stoppable.append(started)
        started.when_done(lambda done: result.complete(result_of(done)))
        return result

    @property
    def value(self):
        if not self.completed:
            raise NotCompleted('it has not been done yet; run() of its queue, or get() waits for it')
        return self._value

    def get(self, timeout=None):
        """Waits for the value, for so many seconds; raises what went wrong."""
        timeout = patience(timeout)
        if not operation.backend.wait(lambda: self.completed, timeout):
            raise NotCompleted('it has not been done within %s s' % timeout)
        if isinstance(self._value, ErrorResult):
            raise self._value.exception
        return self._value

    def cancel(self):
        """Stops what runs of it."""
        for begun in self.stoppable:
            if not begun.done:
                begun.cancel()

    def with_callback(self, callback):
        """Has callback(value) called once there is one; returns this."""
        self._callbacks.append(callback)
        if self.completed:
            self._call_back()
        return self

    def complete(self, value):
        self._value = value
        self.completed = True
        self._call_back()

    def _call_back(self):
        for callback in taken(self._callbacks):
            try:
                callback(self._value)
            except Exception:
                sys.stderr.write('hopvine: a callback has failed\n')
                traceback.print_exc()


class Task(object):
    """An operation for all hosts of one target. `start`: of a list of tunnels makes an operation for each. `anew`: it
    is also for hosts that could not be reached before."""

    def __init__(self, target, start, anew):
        self.start, self.anew, self.result = start, anew, AsyncResult()
        if isinstance(target, BaseTunnel):
            self.alone, self.tunnels = True, [target]
        elif isinstance(target, Group):
            self.alone, self.tunnels = False, list(target)
        else:
            raise TypeError('target: a tunnel or a group, and not %s' % type(target).__name__)
        self.by_host = {}

    def begin(self, tunnels):
        """Returns an operation for each; what cannot even be asked fails there, and nowhere else."""
        try:
            operations = self.start(tunnels)
        except Exception:
            operations = [operation.failed(tunnel, sys.exc_info()[1]) for tunnel in tunnels]
        self.result.stoppable.extend(operations)
        return operations

    def take(self, host, value):
        """What has come of a host; with the last, the result is there."""
        self.by_host[host] = value
        if len(self.by_host) == len(self.tunnels):
            self.complete()

    def complete(self):
        value = GroupResult([(tunnel.host, self.by_host[tunnel.host]) for tunnel in self.tunnels])
        if self.alone:
            value = self.by_host[self.tunnels[0].host]
        self.result.complete(value)


class Queue(object):
    """Operations that wait for run(). `target`: a tunnel or a group. Each method returns an AsyncResult."""

    def __init__(self):
        # The hosts in the order in which they came; what waits for each, and what runs there.
        self.hosts, self.waiting, self.running = [], {}, {}
        # What has failed before it was started, to be told.
        self.failed = []
        # Those that could not be reached, with the error: not tried again until connect().
        self.unreachable = {}

    def call(*args, **named):
        """A function: call(target, function, *args, **named); `timeout` as of Tunnel.call."""
        self, target, function, args = leading(args, 'self', 'target', 'function')
        timeout = time_limit(named)
        operation.await_calls(args, named, 1)
        result = self._add(target, each(lambda tunnel: Call(tunnel, function, args, named, timeout, True)))
        return result.with_callback(lambda value: operation.await_calls(args, named, -1))

    def command(self, target, command, input=None, timeout=None):
        """A command, as by run() of a tunnel; the value is a Result."""
        timeout = time_limit({'timeout': timeout})
        return self._add(target, each(lambda tunnel: Command(tunnel, command, input, timeout, True)))

    def put(self, target, local_path, remote_path=None, mode=None, keep=False, recursive=False, compress=False):
        """A file that goes there."""
        return self._add(target, lambda tunnels: operation.put(
            tunnels, local_path, remote_path, mode, keep, recursive, compress))

    def fetch(self, target, remote_path, local_path=None, keep=False, recursive=False, compress=False):
        """A file that comes from there; for a group, `local_path` holds {host}."""
        paths = {getattr(target, 'host', None): local_path}
        if isinstance(target, Group):
            paths = target.local_paths(local_path)
        return self._add(target, each(lambda tunnel: operation.fetch(
            tunnel, remote_path, paths[tunnel.host], keep, recursive, compress)))

    def connect(self, target):
        """The connection."""
        return self._add(target, each(Connecting), True)

    def run(self):
        """Runs all, also what callbacks add; returns when nothing is left. What interrupts it cancels what runs.

        A callback may call it too; then nothing is left when that returns.
        """
        try:
            while True:
                while self._start():
                    pass
                if not self.running:
                    return
                operation.backend.wait(lambda: [1 for task, begun in self.running.values() if begun.is_done()])
                self._settle()
        finally:
            for task, begun in list(self.running.values()):
                if not begun.done:
                    begun.cancel()
            self._settle()

    def _add(self, target, start, anew=False):
        task = Task(target, start, anew)
        for tunnel in task.tunnels:
            if tunnel.host not in self.waiting:
                self.waiting[tunnel.host] = []
                self.hosts.append(tunnel.host)
            self.waiting[tunnel.host].append((task, tunnel))
        if not task.tunnels:
            task.complete()
        return task.result

    def _start(self):
        """Starts the next of each host where nothing runs; returns whether there was any."""
        begin = []
        for host in self.hosts:
            if host not in self.running and self.waiting[host]:
                task, tunnel = self.waiting[host].pop(0)
                if task.anew:
                    self.unreachable.pop(host, None)
                if host in self.unreachable:
                    self.failed.append((task, host))
                elif begin and begin[-1][0] is task:
                    begin[-1][1].append(tunnel)
                else:
                    begin.append((task, [tunnel]))
        for task, tunnels in begin:
            for begun in task.begin(tunnels):
                self.running[begun.host] = task, begun
        # Callbacks may run all that is left, here and below.
        told = list(self.failed)
        while self.failed:
            task, host = self.failed.pop(0)
            task.take(host, self.unreachable[host])
        return begin or told

    def _settle(self):
        """Takes what is done."""
        for host, entry in list(self.running.items()):
            task, begun = entry
            if self.running.get(host) is entry and begun.is_done():
                del self.running[host]
                value = result_of(begun)
                if isinstance(begun.error, ConnectionFailed):
                    self.unreachable[host] = value
                task.take(host, value)


def each(start):
    return lambda tunnels: operation.begin(start, tunnels)
