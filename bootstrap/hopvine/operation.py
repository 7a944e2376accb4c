"""Something asked of a tunnel: on its way, then done, with a value or an error."""
import sys
import threading
import traceback

from hopvine import backend, errors, functions, output
from hopvine.backend import wire
from hopvine.given import as_bytes, local, path_text
from hopvine.spending import Spender

OUTPUT, ERRORS, RESULT, FAILURE, EXIT, ITEM, LOG, EXHAUSTED, YIELDS, ERROR = 17, 18, 19, 20, 21, 23, 24, 25, 39, 66
RUN, INPUT = 2, 3
# A message of input for a command; what has not been read there waits here.
INPUT_BYTES = 32768
OF_ITEMS = ITEM, EXHAUSTED, FAILURE, ERROR
in_order = threading.RLock()
STREAMS = {OUTPUT: 'stdout', ERRORS: 'stderr'}


class Operation(object):
    """`tunnel`: of whom it is asked. `done`: whether it is over; then `error` is an exception, or None and `value`
    counts."""

    done = False
    value = error = None

    def __init__(self, tunnel):
        self.tunnel, self.host = tunnel, tunnel.host
        self.callbacks = []

    def finish(self, value=None, error=None):
        if not self.done:
            self.value, self.error = value, error
            self.done = True
            if isinstance(error, errors.ConnectionFailed):
                self.tunnel.has_told = True
            self._call_back()

    def when_done(self, callback):
        """Calls it with this, in whatever thread reads, or now."""
        self.callbacks.append(callback)
        if self.done:
            self._call_back()

    def _call_back(self):
        for callback in taken(self.callbacks):
            callback(self)

    def is_done(self):
        return self.done

    def cancel(self):
        """Stops it remotely; it is done at once."""
        self.stop()
        self.finish(error=errors.Cancelled('cancelled', 'interrupted', self.host))

    def stop(self):
        pass

    def result(self):
        """Waits for its end; returns the value or raises the error. What interrupts the wait cancels it."""
        try:
            backend.wait(self.is_done)
        finally:
            if not self.done:
                self.cancel()
        if self.error is not None:
            raise self.error
        return self.value


class Connecting(Operation):
    """Waits for a tunnel to be open."""

    def __init__(self, tunnel):
        Operation.__init__(self, tunnel)
        self.connection = tunnel.connection(anew=True)

    def is_done(self):
        if not self.done and self.connection.state != 'connecting':
            self.finish(None, self.connection.error)
        return self.done


class Closing(Operation):
    """Waits for a tunnel to have ended."""

    def __init__(self, tunnel):
        Operation.__init__(self, tunnel)
        self.connection = tunnel.let_go()
        if self.connection is not None:
            self.connection.close()

    def is_done(self):
        if not self.done and (self.connection is None or self.connection.state == 'closed'):
            self.finish()
        return self.done


class Asking(Spender, Operation):
    """One that is a conversation with the context."""

    def ask(self, connection, *order, **named):
        self.exchange = connection.ask(*order, **named)
        self.used(0)

    def heard(self, tag, body, end):
        if tag == LOG:
            guarded(output.log, self.host, wire.load(body)[0])
        elif tag == FAILURE:
            return self.finish(error=errors.of_failure(wire.load(body)[0], self.host))
        elif tag == ERROR:
            return self.finish(error=errors.of_error(wire.load(body)[0], self.host))
        else:
            self.take(tag, body)
        if not end:
            self.used(len(body) + 1)
        elif not self.done:
            self.finish(error=errors.Cancelled('cancelled', 'interrupted', self.host))

    def stop(self):
        if self.exchange is not None:
            self.exchange.cancel()


class Call(Asking):
    """A function that runs there. Its output is shown as it comes."""

    yielding = None

    def __init__(self, tunnel, function, args, named, timeout, awaited=False):
        Operation.__init__(self, tunnel)
        self.outputs = Outputs(self.host, tunnel.output)
        connection = tunnel.connection()
        self.definitions = connection.definitions
        # What is to be called should it fail.
        self.travelled = []
        # What is to be called when it is known to have come.
        self.arrived = []
        asked = False
        # A call goes out before those that count on what it brings.
        in_order.acquire()
        try:
            imports, message = functions.call(function, args, named, connection, self.travelled, self.arrived)
            self.ask(connection, message, self.heard, imports, timeout, awaited=awaited)
            asked = True
        finally:
            in_order.release()
            if not asked:
                self.failed()
        self.hand_over()

    def failed(self):
        for tell in taken(self.travelled):
            tell()

    def heard(self, tag, body, end):
        if tag == YIELDS:
            from hopvine.channel import Items
            self.yielding = Yielding(self)
            items = Items(self.yielding, self.host)
            self.yielding.coming = items.coming
            self.hand_over()
            self.yielding.used(len(body) + 1)
            self.finish(items)
        elif self.yielding is not None:
            self.yielding.heard(tag, body, end)
        else:
            Asking.heard(self, tag, body, end)

    def hand_over(self):
        """A generator goes on without this, which holds its items: they may be let go."""
        if self.exchange is not None and self.yielding is not None:
            self.exchange.sink = self.yielding.heard
            self.yielding.exchange = self.exchange
            self.yielding.used(0)

    def take(self, tag, body):
        if tag in STREAMS:
            self.outputs.show(tag, body)
        elif tag == RESULT:
            self.finish(wire.load(body)[0])

    def finish(self, value=None, error=None):
        if isinstance(error, errors.HostError):
            # What it was to bring has perhaps not come.
            self.definitions.clear()
        for tell in taken(self.arrived):
            tell()
        if self.yielding is None:
            self.outputs.end()
        if error is not None:
            self.failed()
        Operation.finish(self, value, error)


class Yielding(Asking):
    """What goes on with a call that has turned out to be one of a generator."""

    coming = None

    def __init__(self, call):
        # While anybody has the items, nobody else need have the tunnel.
        self.tunnel = call.tunnel
        self.host, self.outputs, self.callbacks = call.host, call.outputs, []

    def heard(self, tag, body, end):
        if tag in OF_ITEMS:
            self.coming.heard(tag, body, end)
        else:
            Asking.heard(self, tag, body, end)
        if end:
            self.outputs.end()

    def take(self, tag, body):
        self.outputs.show(tag, body)

    def cancel(self):
        self.stop()


class Outputs(object):
    """What a call writes, as lines."""

    def __init__(self, host, show):
        self.host, self.to, self.lines = host, show, {}

    def show(self, tag, body):
        if tag not in self.lines:
            self.lines[tag] = output.Lines(self.host, STREAMS[tag], self.to)
        guarded(self.lines[tag].push, body)

    def end(self):
        for lines in self.lines.values():
            guarded(lines.end)


class Result(object):
    """How a command ended. `status`: its exit status, or minus the signal that killed it; `stdout`, `stderr`: bytes."""

    def __init__(self, host, command, status, stdout, stderr):
        self.host, self.command, self.status, self.stdout, self.stderr = host, command, status, stdout, stderr

    def check(self):
        """Returns this; raises CommandFailed where the status is another than 0."""
        if self.status:
            said = self.stderr.decode('utf-8', 'replace').splitlines()[-10:]
            text = 'status %d: %s' % (self.status, self.command)
            if self.status < 0:
                text = 'killed by signal %d: %s' % (-self.status, self.command)
            raise errors.CommandFailed('\n'.join([text] + ['    ' + line for line in said]), self, self.host)
        return self

    def __repr__(self):
        return '<%s on %s: status %d>' % (self.command, self.host, self.status)


class Command(Asking):
    """A command that runs there; what it writes is gathered."""

    def __init__(self, tunnel, command, data, timeout, awaited=False):
        Operation.__init__(self, tunnel)
        self.command, self.parts = command, {OUTPUT: [], ERRORS: []}
        shell = isinstance(command, (wire.Text, wire.Bytes))
        words = command
        if shell:
            words = [command]
        elif not isinstance(command, (list, tuple)):
            raise TypeError('command: a text, or a list of words, and not %s' % type(command).__name__)
        words = [as_bytes(word, 'command') for word in words]
        if not words:
            raise ValueError('command: a list of at least one word, or a text for a shell')
        if data is not None:
            data = as_bytes(data, 'input')
        message = wire.pack('B', RUN) + wire.dump({'words': words, 'shell': shell, 'stdin': bool(data)})
        functions.fits(message, lambda: 'command')
        self.ask(tunnel.connection(), message, self.heard, '', timeout, bool(data), awaited)
        for at in range(0, len(data or ''), INPUT_BYTES):
            chunk = wire.pack('B', INPUT) + data[at:at + INPUT_BYTES]
            self.exchange.send(chunk, at + INPUT_BYTES >= len(data))

    def take(self, tag, body):
        if tag in STREAMS:
            self.parts[tag].append(body)
        elif tag == EXIT:
            status, = wire.unpack('>I', body)
            if status & 127:
                status = -(status & 127)
            else:
                status >>= 8
            outputs = [wire.EMPTY.join(self.parts[stream]) for stream in (OUTPUT, ERRORS)]
            self.finish(Result(self.host, self.command, status, *outputs))


class Moving(Operation):
    """A file, or a tree, on its way to or from one tunnel."""

    transfer = None

    def stop(self):
        if self.transfer is not None:
            self.transfer.cancel()

    def moved(self, well, told):
        if well:
            self.finish(dict([(name, path_text(told[name])) for name in told]))
        else:
            self.finish(error=errors.of_error(told, self.host))


def put(tunnels, local_path, remote_path, mode, keep, recursive, compress):
    """One file or tree for all of them, in one message; returns an operation for each."""
    order = {'local': local(local_path), 'remote': None, 'mode': mode, 'keep': bool(keep), 'tree': bool(recursive),
             'packed': bool(compress)}
    if remote_path is not None:
        order['remote'] = as_bytes(remote_path, 'remote_path')
    if mode is not None and not (isinstance(mode, wire.Int) and 0 <= mode <= 4095):
        raise ValueError('mode: permission bits such as 0o644, and not %r' % (mode,))
    return started([Moving(tunnel) for tunnel in tunnels], order, backend.put)


def fetch(tunnel, remote_path, local_path, keep, recursive, compress):
    """From one tunnel; returns the operation."""
    order = {'remote': as_bytes(remote_path, 'remote_path'), 'local': None, 'keep': bool(keep), 'tree': bool(recursive),
             'packed': bool(compress)}
    if local_path is not None:
        order['local'] = local(local_path)
    return started([Moving(tunnel)], order, lambda connections, *rest: connections[0].fetch(*rest))[0]


def started(operations, order, start):
    """Those whose tunnel has a connection, or begins to have one, together."""
    by_connection = {}
    for each in operations:
        try:
            by_connection[each.tunnel.connection()] = each
        except errors.ConnectionFailed:
            each.finish(error=sys.exc_info()[1])
    connections = [connection for connection in by_connection]
    connections.sort(key=lambda connection: operations.index(by_connection[connection]))
    if connections:
        transfer = start(connections, order, lambda which, *outcome: by_connection[which].moved(*outcome))
        for each in operations:
            each.transfer = transfer
    return operations


def begin(start, tunnels):
    """An operation for each tunnel, by start(tunnel); where the connection is known to be lost, one that has failed."""
    begun = []
    try:
        for tunnel in tunnels:
            try:
                begun.append(start(tunnel))
            except errors.ConnectionFailed:
                begun.append(failed(tunnel, sys.exc_info()[1]))
        return begun
    except:
        for each in begun:
            each.cancel()
        raise


def await_calls(args, named, count):
    """Tells each Receiver among the arguments that so many calls are about to have it, or have had it."""
    for value in list(args) + list(named.values()):
        if isinstance(value, functions.Travelling) and hasattr(value, 'await_calls'):
            value.await_calls(count)


def failed(tunnel, error):
    """One that could not be begun."""
    operation = Operation(tunnel)
    operation.finish(error=error)
    return operation


def taken(callbacks):
    """Each callback for one taker only."""
    while callbacks:
        try:
            yield callbacks.pop(0)
        except IndexError:
            # Another thread has it.
            return


def guarded(action, *args):
    """What shows things is the user's: it must not end what they are shown of."""
    try:
        action(*args)
    except Exception:
        traceback.print_exc()


def wait_for(operations):
    """Waits for all of them; what interrupts the wait cancels those that are not done."""
    left = list(operations)

    def ready():
        while left and left[-1].is_done():
            left.pop()
        return not left
    try:
        backend.wait(ready)
    finally:
        for operation in operations:
            if not operation.done:
                operation.cancel()
