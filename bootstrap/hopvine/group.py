"""Groups: the same on many hosts at once, with the results by host."""
from hopvine import operation
from hopvine.errors import ConnectionFailed, RemoteException, told_of
from hopvine.given import leading, text_of, time_limit
from hopvine.operation import Call, Closing, Command, Connecting
# The last is for whoever looks for it here, as in Chopsticks.
from hopvine.tunnel import BaseTunnel, SSHTunnel, SubprocessTunnel

# So many failures are told in full where all of them are raised as one.
SHOWN_FAILURES = 3


class ErrorResult(object):
    """What came of a host in the place of a value. `msg`: what was wrong; `tb`: the remote traceback, or None.
    `exception`: what a tunnel would have raised; `kind`: a word for programs."""

    def __init__(self, msg, tb=None, exception=None, kind='exception'):
        self.msg, self.tb, self.exception, self.kind = msg, tb, exception, kind

    @classmethod
    def of(cls, error):
        message, traceback, kind = told_of(error)
        return cls(message, traceback, error, kind)

    def __repr__(self):
        return 'ErrorResult(%r)' % (self.msg,)


class GroupResult(dict):
    """Results by host, in the group's order; of a host that failed, an ErrorResult."""

    def __init__(self, pairs=()):
        pairs = list(pairs)
        dict.__init__(self, pairs)
        self._hosts = [host for host, value in pairs]

    def __iter__(self):
        return iter([host for host in self._hosts if host in self])

    def keys(self):
        return list(self)

    def values(self):
        return [self[host] for host in self]

    def items(self):
        return [(host, self[host]) for host in self]

    def __repr__(self):
        return '{%s}' % ', '.join(['%r: %r' % pair for pair in self.items()])

    def successful(self):
        """Iterates over (host, value) of those that have one."""
        return iter([(host, value) for host, value in self.items() if not isinstance(value, ErrorResult)])

    def failures(self):
        """Iterates over (host, ErrorResult) of the others."""
        return iter([(host, value) for host, value in self.items() if isinstance(value, ErrorResult)])

    def raise_failures(self):
        """Raises RemoteException where any host has failed; returns this otherwise."""
        failed = list(self.failures())
        if failed:
            lines = ['%d/%d hosts had failures' % (len(failed), len(self))]
            lines += ['%s: %s' % (host, error.msg) for host, error in failed[:SHOWN_FAILURES]]
            if len(failed) > SHOWN_FAILURES:
                lines.append('and %d more' % (len(failed) - SHOWN_FAILURES))
            error = RemoteException('\n'.join(lines))
            error.results = self
            raise error
        return self


class Group(object):
    """Several tunnels, each with a name of its own. `hosts`: tunnels, or names for ssh."""

    def __init__(self, hosts):
        if isinstance(hosts, (str, BaseTunnel)):
            raise TypeError('hosts: a list of names or tunnels, and not %r' % (hosts,))
        self.tunnels = []
        seen = set()
        for host in hosts:
            if not isinstance(host, BaseTunnel):
                host = SSHTunnel(text_of(host, 'hosts'))
            if host.host in seen:
                raise ValueError('hosts: %r is there twice; results are by name' % host.host)
            seen.add(host.host)
            self.tunnels.append(host)
        # Those that could not be reached, with the error: not tried again until connect().
        self.unreachable = {}

    # What can be asked of all

    def call(*args, **named):
        """Calls a function on all: call(function, *args, **named); `timeout` as of Tunnel.call."""
        self, function, args = leading(args, 'self', 'function')
        timeout = time_limit(named)
        operation.await_calls(args, named, 1)
        try:
            return self._all(lambda tunnel: Call(tunnel, function, args, named, timeout, True))
        finally:
            operation.await_calls(args, named, -1)

    def run(self, command, input=None, timeout=None):
        """Runs a command on all; each value is a Result."""
        timeout = time_limit({'timeout': timeout})
        return self._all(lambda tunnel: Command(tunnel, command, input, timeout, True))

    def put(self, local_path, remote_path=None, mode=None, keep=False, recursive=False, compress=False):
        """Copies a file to all; what is behind one relay crosses the link to it once."""
        return self._together(lambda tunnels: operation.put(tunnels, local_path, remote_path, mode, keep, recursive, compress))

    def fetch(self, remote_path, local_path=None, keep=False, recursive=False, compress=False):
        """Copies a file from all. `local_path` holds {host}; without it, each goes to a temporary file."""
        paths = self.local_paths(local_path)
        return self._all(
            lambda tunnel: operation.fetch(tunnel, remote_path, paths[tunnel.host], keep, recursive, compress))

    def local_paths(self, template):
        """Where each host's file goes; a slash in a name becomes _."""
        paths = {}
        taken = {}
        for tunnel in self.tunnels:
            path = template
            if template is not None:
                path = text_of(template, 'local_path').replace('{host}', tunnel.host.replace('/', '_'))
                if path in taken:
                    raise ValueError('local_path: %r is the same for %s and %s; {host} in it keeps them apart' % (
                        template, taken[path], tunnel.host))
                taken[path] = tunnel.host
            paths[tunnel.host] = path
        return paths

    def filter(self, predicate, exclude=False):
        """The group of those where predicate() is true; with `exclude`, where it is not. Any error is raised."""
        results = self.call(predicate).raise_failures()
        return self._of([tunnel for tunnel in self.tunnels if bool(results[tunnel.host]) != bool(exclude)])

    def connect(self):
        """Connects all that are not, also those that could not be reached before."""
        self.unreachable.clear()
        return self._all(Connecting)

    def close(self):
        """Ends all contexts, and waits for that."""
        self.unreachable.clear()
        operation.wait_for([Closing(tunnel) for tunnel in self.tunnels])

    def __enter__(self):
        self.connect()
        return self

    def __exit__(self, *info):
        self.close()

    def _all(self, start):
        return self._together(lambda tunnels: operation.begin(start, tunnels))

    def _together(self, start):
        """`start`: of a list of tunnels makes an operation for each."""
        operations = start([tunnel for tunnel in self.tunnels if tunnel.host not in self.unreachable])
        operation.wait_for(operations)
        by_host = dict(self.unreachable)
        for each in operations:
            by_host[each.host] = result_of(each)
            if isinstance(each.error, ConnectionFailed):
                self.unreachable[each.host] = by_host[each.host]
        return GroupResult([(tunnel.host, by_host[tunnel.host]) for tunnel in self.tunnels])

    # As a set, by name

    def _of(self, tunnels):
        group = Group(tunnels)
        for tunnel in tunnels:
            if tunnel.host in self.unreachable:
                group.unreachable[tunnel.host] = self.unreachable[tunnel.host]
        return group

    def as_group(self):
        return self

    def hosts(self):
        return [tunnel.host for tunnel in self.tunnels]

    def _pick(self, other, wanted):
        """Those of both, each name once, for which wanted(it is ours, it is theirs)."""
        theirs = set_of(other)
        ours = set(self.hosts())
        names = set(theirs.hosts())
        every = self.tunnels + [tunnel for tunnel in theirs.tunnels if tunnel.host not in ours]
        picked = [each for each in every if wanted(each.host in ours, each.host in names)]
        return self._of(picked)

    def __add__(self, other):
        return self._pick(other, lambda ours, theirs: True)
    __or__ = __add__

    def __and__(self, other):
        return self._pick(other, lambda ours, theirs: ours and theirs)

    def __sub__(self, other):
        return self._pick(other, lambda ours, theirs: ours and not theirs)

    def __xor__(self, other):
        return self._pick(other, lambda ours, theirs: ours != theirs)

    def __len__(self):
        return len(self.tunnels)

    def __iter__(self):
        return iter(self.tunnels)

    def __contains__(self, tunnel):
        return getattr(tunnel, 'host', tunnel) in self.hosts()

    def __repr__(self):
        return 'Group([%s])' % ', '.join([repr(tunnel) for tunnel in self.tunnels])


def set_of(other):
    if not isinstance(other, (Group, BaseTunnel)):
        raise TypeError('a group goes together with groups and tunnels, and not with %s' % type(other).__name__)
    return other.as_group()


def result_of(done):
    """The value of an operation that is done, or an ErrorResult."""
    if done.error is not None:
        return ErrorResult.of(done.error)
    return done.value
