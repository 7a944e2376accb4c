"""Tunnels: ways to contexts, in which functions and commands run.

A tunnel connects with its first use. Each class is one hop of a path as after -w, and `via` is the tunnel before it.
"""
import os
import sys

from hopvine import functions, operation
from hopvine.given import (connect_time, leading, port_of, quoted, secret, split_hops, ssh_name, text_of, time_limit,
                           with_options, without_options, word)
from hopvine.names import PYTHON_2
from hopvine.operation import Call, Closing, Command, Connecting

# Each by the name that is there: remote code would be asked for the other.
if PYTHON_2:
    import thread
else:
    import _thread as thread

# What no command line of ours can hold in the name of an interpreter.
UNQUOTED = '\'"`$\\!'


class BaseTunnel(functions.Travelling, object):
    """What all tunnels have.

    `host`: its name, the key of its results. `output`: a function of (host, 'stdout' or 'stderr', line) that is given what
    calls write, in the place of sys.stdout and sys.stderr. `python`, or `python2` and `python3` by the script's own
    version: the interpreter there; else one is looked for.
    """

    output = None
    python = python2 = python3 = None
    # Secrets: bytes, for ssh and for what changes the user.
    login = become = None
    hop = via = connect_timeout = None
    _connection = _process = None
    # Whether it has been told that what was connected is lost.
    has_told = False

    def __new__(cls, *args, **named):
        self = object.__new__(cls)
        self._lock = thread.allocate_lock()
        return self

    def __init__(self, host, hop, via=None, python=None, connect_timeout=None):
        """`hop`: what stands for it in a path. `via`: the tunnel that leads to where it starts, or None."""
        if not isinstance(via, (BaseTunnel, type(None))):
            raise TypeError('via: a tunnel, and not %s' % type(via).__name__)
        if python is not None:
            self.python = text_of(python, 'python')
        if connect_timeout is not None:
            self.connect_timeout = connect_time(connect_timeout)
        self.host, self.via = text_of(host, 'name'), via
        if hop is not None:
            self.hop = hop

    def path(self):
        """The whole path, as after -w."""
        hop = self.hop
        python = self.python or getattr(self, 'python%d' % sys.version_info[0], None) or self.nearest_python()
        if python:
            hop = '%s%spython=%s' % (hop, '?&'['?' in split_hops(hop)[-1]], quoted(text_of(python, 'python')))
        if self.via is None:
            return hop
        return '%s/%s' % (self.via.path(), hop)

    def nearest_python(self):
        """The interpreter there, where it is known without a look; else None."""

    @property
    def options(self):
        """What holds for its connection beside the path."""
        options = {
            'depth_limit': sys.modules['hopvine'].DEPTH_LIMIT, 'connect_timeout': self.connect_timeout,
            'major': sys.version_info[0], 'python': None, 'exec': {}, 'login': None, 'become': None,
        }
        for tunnel in self.hops():
            for name in 'login', 'become':
                secret = getattr(tunnel, name)
                if secret is not None and options[name] not in (None, secret):
                    raise ValueError('%s: one password for all hops that ask for one in the same way' % self.host)
                options[name] = secret or options[name]
            tunnel.add_commands(options['exec'])
        return options

    def hops(self):
        """The tunnels that it leads through, and itself."""
        if self.via is None:
            return [self]
        return self.via.hops() + [self]

    def add_commands(self, commands):
        """Adds to {name: words} what its hop names."""

    # Connecting

    def connection(self, anew=False):
        """What carries it; begins to connect where nothing does. `anew`: whatever has become of what did."""
        connection = self._connection
        if connection is None or connection.state == 'closed' or self._process != os.getpid():
            self._lock.acquire()
            try:
                if connection is self._connection:
                    self._connection, self._process = None, os.getpid()
                    told, self.has_told = self.has_told or anew, False
                    if connection is not None and connection.error is not None and not told:
                        # What was there is gone, and nobody knows.
                        raise connection.error
                    self._connection = operation.backend.connection(self)
                connection = self._connection
            finally:
                self._lock.release()
        return connection

    def let_go(self):
        """Forgets what carries it, and returns that, or None."""
        connection, self._connection, self.has_told = self._connection, None, False
        if self._process == os.getpid():
            return connection

    @property
    def connected(self):
        """Whether it is open, as far as is known here."""
        connection = self._connection
        return connection is not None and connection.state == 'open' and self._process == os.getpid()

    def connect(self):
        """Connects, and waits for that; what is connected stays so. Returns the tunnel."""
        Connecting(self).result()
        return self

    def close(self):
        """Ends the context with all that runs there, and waits for that. The next use connects anew."""
        Closing(self).result()

    def __enter__(self):
        return self.connect()

    def __exit__(self, *info):
        self.close()

    def __del__(self):
        if self._connection is not None:
            try:
                self._connection.close()
            except Exception:
                # The interpreter ends, and with it all tunnels.
                pass

    # What can be asked

    def call(*args, **named):
        """Calls a function there: call(function, *args, **named). Returns what it returns, or raises RemoteException.

        `timeout`: seconds after which it is stopped there, and TimedOut raised. A `timeout` of the function's own goes by
        functools.partial.
        """
        self, function, args = leading(args, 'self', 'function')
        timeout = time_limit(named)
        return Call(self, function, args, named, timeout, True).result()

    def call_async(*args, **named):
        """The same without waiting: returns an AsyncResult."""
        self, function, args = leading(args, 'self', 'function')
        from hopvine.queue import AsyncResult
        timeout = time_limit(named)
        return AsyncResult.of(Call(self, function, args, named, timeout))

    def run(self, command, input=None, timeout=None):
        """Runs a command: a text for a shell, or a list of words. Returns its Result: `status stdout stderr check()`."""
        return Command(self, command, input, time_limit({'timeout': timeout}), True).result()

    def put(self, local_path, remote_path=None, mode=None, keep=False, recursive=False, compress=False):
        """Copies a file there; without `remote_path` to a temporary one. `mode`: its permission bits, else 0644.

        `recursive`: a folder with all that is in it. `keep`: permissions and times are those here. `compress`: on the way.
        Returns a dict of remote_path, size, sha1sum.
        """
        return operation.put([self], local_path, remote_path, mode, keep, recursive, compress)[0].result()

    def fetch(self, remote_path, local_path=None, keep=False, recursive=False, compress=False):
        """Copies a file from there; without `local_path` to a temporary one. Options as of put().

        Returns a dict of local_path, remote_path, size, sha1sum.
        """
        return operation.fetch(self, remote_path, local_path, keep, recursive, compress).result()

    # Going on from here: named as after -w

    def ssh(self, host, *args, **named):
        return self._further(SSHTunnel, host, host, args, named)

    def sudo(self, user='root', *args, **named):
        return self._further(Sudo, 'sudo:%s' % user, user, args, named)

    def su(self, user='root', *args, **named):
        return self._further(Su, 'su:%s' % user, user, args, named)

    def doas(self, user='root', *args, **named):
        return self._further(Doas, 'doas:%s' % user, user, args, named)

    def docker(self, name, *args, **named):
        return self._further(Docker, 'docker:%s' % name, name, args, named)

    def podman(self, name, *args, **named):
        return self._further(Podman, 'podman:%s' % name, name, args, named)

    def kubectl(self, pod, *args, **named):
        return self._further(Kubectl, 'kubectl:%s' % pod, pod, args, named)

    def _further(self, kind, shown, subject, args, named):
        tunnel = kind(subject, *args, **dict(named, via=self))
        if not args[1:] and named.get('name') is None:
            tunnel.host = '%s/%s' % (self.host, shown)
        return tunnel

    # As a set of one

    def as_group(self):
        from hopvine.group import Group
        return Group([self])

    def __add__(self, other):
        return self.as_group() + other
    __or__ = __add__

    def __sub__(self, other):
        return self.as_group() - other

    def __and__(self, other):
        return self.as_group() & other

    def __xor__(self, other):
        return self.as_group() ^ other

    def __eq__(self, other):
        return isinstance(other, BaseTunnel) and self.host == other.host

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return hash(self.host)

    def __repr__(self):
        return '%s(%r)' % (type(self).__name__, self.host)

    def travel(self, connection):
        """As an argument, it lets what is called there put files to it and fetch them from it."""
        return 'grant', connection.grant(self), self.host

    def __reduce__(self):
        raise TypeError('%r cannot be pickled; as an argument of a call it travels by itself' % self)


class SSHTunnel(BaseTunnel):
    """A host, as it would be named to ssh: through the user's own ssh and its configuration.

    `sudo`: go on to be root there. `password`: for ssh, or the phrase of a key; `sudo_password`: for sudo.
    `ssh_options`: texts like 'Compression=yes', as after `ssh -o`.
    """

    def __init__(self, host, user=None, port=None, sudo=False, password=None, sudo_password=None, name=None,
                 ssh_options=(), via=None, python=None, connect_timeout=None):
        self.login, self.become = secret(password, 'password'), secret(sudo_password, 'sudo_password')
        hop = 'ssh:' + quoted(ssh_name(host, 'host'))
        options = [('opt', text_of(option, 'ssh_options')) for option in ssh_options]
        if user is not None:
            options.append(('user', ssh_name(user, 'user')))
        if port is not None:
            options.append(('port', port_of(port)))
        hop += with_options(options)
        if sudo:
            hop += '/sudo:root'
        BaseTunnel.__init__(self, name or host, hop, via, python, connect_timeout)


Tunnel = SSHTunnel


class Local(BaseTunnel):
    """A process on the same machine."""

    def __init__(self, name='localhost', via=None, python=None, connect_timeout=None):
        BaseTunnel.__init__(self, name, 'local:' + quoted(word(name, 'name')), via, python, connect_timeout)

    def nearest_python(self):
        if 'hopvine_core' in sys.modules or self.via is not None:
            # What is remote already leads on to what runs there.
            return None
        if sys.executable and not [char for char in UNQUOTED if char in sys.executable]:
            return sys.executable


class Become(BaseTunnel):
    """Another user on the same machine; `password`: what the program asks for."""

    transport = None

    def __init__(self, user='root', name=None, password=None, via=None, python=None, connect_timeout=None):
        self.become = secret(password, 'password')
        where = 'localhost'
        if via is not None:
            where = via.host
        hop = '%s:%s' % (self.transport, quoted(word(user, 'user')))
        BaseTunnel.__init__(self, name or '%s@%s' % (user, where), hop, via, python, connect_timeout)


class Sudo(Become):
    """Another user on the same machine, by sudo."""

    transport = 'sudo'


class Su(Become):
    """Another user on the same machine, by su and with that user's own shell."""

    transport = 'su'


class Doas(Become):
    """Another user on the same machine, by doas."""

    transport = 'doas'


class Docker(BaseTunnel):
    """A throwaway container of that name, which is gone with the tunnel; `rm=False` keeps it to be looked at.

    `image`: python of the script's own version where none is named. `running=True`: no throwaway, but the container of
    that name that runs.
    """

    transport = 'docker'

    def __init__(self, name, image=None, rm=True, user=None, running=False, via=None, python=None,
                 connect_timeout=None):
        options = []
        if user is not None:
            options.append(('user', word(user, 'user')))
        if not running:
            image = image or 'python:%d.%d' % sys.version_info[:2]
            options.append(('image', word(image, 'image')))
            if not rm:
                options.append(('rm', 'no'))
        elif image is not None or not rm:
            raise ValueError('running: the container is there already, so image and rm are not for it')
        hop = '%s:%s%s' % (self.transport, quoted(word(name, 'name')), with_options(options))
        BaseTunnel.__init__(self, name, hop, via, python, connect_timeout)


class Podman(Docker):
    """The same by podman."""

    transport = 'podman'


class Inside(BaseTunnel):
    """Something with a name that runs on the same machine and is entered."""

    transport = None

    def __init__(self, name, via=None, python=None, connect_timeout=None):
        hop = '%s:%s' % (self.transport, quoted(word(name, 'name')))
        BaseTunnel.__init__(self, name, hop, via, python, connect_timeout)


class LXC(Inside):
    """A container of LXC's, by lxc-attach."""

    transport = 'lxc'


class LXD(Inside):
    """A container or machine of LXD's, by lxc exec."""

    transport = 'lxd'


class Incus(Inside):
    """A container or machine of Incus', by incus exec."""

    transport = 'incus'


class Machinectl(Inside):
    """A machine of systemd's, by systemd-run."""

    transport = 'machinectl'


class Jail(Inside):
    """A jail of FreeBSD's, by jexec."""

    transport = 'jail'


class Nsenter(BaseTunnel):
    """All namespaces of a process."""

    def __init__(self, pid, name=None, via=None, python=None, connect_timeout=None):
        if not str(pid).isdigit() or int(pid) < 1:
            raise ValueError('pid: the number of a process, and not %r' % (pid,))
        BaseTunnel.__init__(self, name or 'nsenter:%s' % pid, 'nsenter:%s' % pid, via, python, connect_timeout)


class Kubectl(BaseTunnel):
    """A pod, or what else `kubectl exec` takes, such as deploy/web."""

    def __init__(self, pod, namespace=None, container=None, context=None, name=None, via=None, python=None,
                 connect_timeout=None):
        given = ('namespace', namespace), ('container', container), ('context', context)
        options = [(option, word(value, option)) for option, value in given if value is not None]
        hop = 'kubectl:%s%s' % (quoted(word(pod, 'pod')), with_options(options))
        BaseTunnel.__init__(self, name or pod, hop, via, python, connect_timeout)


class Target(BaseTunnel):
    """Whatever -w takes for one target: 'ssh:me@web1?port=2222/sudo:app', or a name of the inventory."""

    def __init__(self, target, name=None, via=None, python=None, connect_timeout=None):
        target = text_of(target, 'target')
        shown = '/'.join([without_options(hop) for hop in split_hops(target)])
        if not target or [char for char in '[],^!&' if char in shown] or target[:1] == '@':
            raise ValueError('target: one target, and not %r' % target)
        BaseTunnel.__init__(self, name or shown, target, via, python, connect_timeout)


class SubprocessTunnel(BaseTunnel):
    """A command line of your own that leads to a shell: a subclass gives `cmd_args()`, and has a `host`.

    Its standard input and output have to let all bytes pass; what it writes to standard error is shown.
    """

    def __init__(self, host=None, via=None, python=None, connect_timeout=None):
        BaseTunnel.__init__(self, host or self.host, None, via, python, connect_timeout)

    host = None

    def cmd_args(self):
        """The words of the command line, up to `sh -c COMMAND`; a word {} has the command put in its place."""
        raise NotImplementedError('%s: cmd_args() is missing' % type(self).__name__)

    @property
    def hop(self):
        return 'exec:' + quoted(word(self.host, 'host'))

    def add_commands(self, commands):
        words = [text_of(each, 'cmd_args()') for each in self.cmd_args()]
        if not words or commands.get(self.host, words) != words:
            raise ValueError('%r: cmd_args() is empty, or other than that of another tunnel of this name' % self)
        commands[self.host] = words
