"""What goes wrong, as exceptions: on a host, on the way to it, in remote code, in what was asked."""


_Text = type(''.encode('ascii').decode('ascii'))
# All but newline and tab: to a terminal they would be commands.
_CONTROLS = dict([(code, '\\x%02x'.encode('ascii').decode('ascii') % code)
                  for code in range(160) if code < 32 and code not in (9, 10) or code > 126])


def shown(text):
    """As str() must have it: without control characters, as it may be from anywhere. Python 2 wants bytes where it is not
    plain."""
    if not isinstance(text, _Text):
        text = text.decode('utf-8', 'replace')
    text = text.translate(_CONTROLS)
    if _Text is str:
        return text
    return text.encode('utf-8', 'replace')


class HopvineError(Exception):
    """The base of all that is raised here."""

    def __str__(self):
        if len(self.args) == 1 and isinstance(self.args[0], (str, _Text)):
            return shown(self.args[0])
        return Exception.__str__(self)


class NotCompleted(HopvineError):
    """An AsyncResult was asked for its value before there was one."""


class HostError(HopvineError):
    """Something went wrong on one host, or on the way to it.

    `kind`: a word for programs, as `error.kind` of --json. `host`: the tunnel's name. `hop`: the hop of its path that
    failed, where the name does not tell, or None. `said`: the last lines that came from there.
    """

    def __init__(self, message, kind='error', host=None, hop=None, said=()):
        Exception.__init__(self, message, kind, host, hop, list(said))
        self.message, self.kind, self.host, self.hop, self.said = message, kind, host, hop, list(said)

    def __str__(self):
        text = self.message
        if self.host and not text.startswith(self.host):
            text = '%s: %s' % (self.host, text)
        return shown('\n'.join([text] + ['    ' + line for line in self.said]))


class Cancelled(HostError):
    """It was stopped before its end: by the user, or by cancel()."""


class DepthLimitExceeded(HostError):
    """Remote code may open tunnels `hopvine.DEPTH_LIMIT` levels deep only."""


class FileError(HostError):
    """A file is not moved, there or here."""


class CommandFailed(HostError):
    """A command of `run` ended with another status than 0. `result`: all that is known of it."""

    def __init__(self, message, result=None, host=None):
        HostError.__init__(self, message, 'command', host)
        self.args = message, result, host
        self.result = result


# Also what they are in Python's own terms, where that has a name for it.
try:
    class ConnectionFailed(HostError, ConnectionError):
        """The host could not be reached, or the connection to it has been lost: what `kind` says."""

    class TimedOut(HostError, TimeoutError):
        """It took longer than the `timeout` of the call; what ran there has been stopped."""
except NameError:
    class ConnectionFailed(HostError):
        """The host could not be reached, or the connection to it has been lost: what `kind` says."""

    class TimedOut(HostError):
        """It took longer than the `timeout` of the call; what ran there has been stopped."""


class Unsendable(HopvineError, TypeError):
    """An argument cannot travel to the remote function, or what it returned cannot travel back."""


class RemoteException(HopvineError):
    """Remote code raised.

    `type`: the exception's name, with its module unless built in. `message`: its str(). `arguments`: its args;
    `attributes`: those of its attributes that are plain values. `traceback`: as Python shows it there. `cause`: a
    RemoteException or None. `host`: the tunnel's name.
    """

    def __init__(self, message, told=None, host=None):
        Exception.__init__(self, message, told, host)
        told = told or {}
        self.type, self.message = told.get('type'), told.get('message', message)
        self.arguments, self.attributes = told.get('args', ()), told.get('attributes') or {}
        self.traceback, self.host = told.get('traceback'), host
        self.cause = None
        if told.get('cause'):
            self.cause = self.__cause__ = of_failure(told['cause'], host)

    def __str__(self):
        text = self.args[0]
        if self.traceback:
            # It ends with the whole message. What that tells of a further host would be twice as long with each.
            text = text.split('\n')[0]
        if self.host:
            text = '%s: %s' % (self.host, text)
        if self.traceback:
            text += '\n' + '\n'.join(['    ' + line for line in self.traceback.rstrip().split('\n')])
        return shown(text)

    def __repr__(self):
        return 'RemoteException(%r)' % (self.args[0],)


def of_failure(told, host):
    """The exception for what an agent tells of one: the dict of a Failure."""
    text = '%s: %s' % (told['type'], told['message'])
    if not told['message']:
        text = told['type']
    if told.get('unsendable'):
        return Unsendable('%s: what was returned cannot be sent: %s' % (host, told['message']))
    return RemoteException(text, told, host)


def of_error(told, host):
    """The exception for what a controller tells of a host: the dict of an Error."""
    kind = told.get('kind') or 'error'
    if kind == 'bad_value':
        return Unsendable('%s: %s' % (host, told['message']))
    known = {
        'timed_out': TimedOut, 'interrupted': Cancelled, 'not_started': Cancelled, 'file': FileError,
        'too_deep': DepthLimitExceeded, 'usage': HostError,
    }
    return known.get(kind, ConnectionFailed)(told['message'], kind, host, told.get('hop'), told.get('said') or ())


def told_of(error):
    """(its message in one line or more, the remote traceback or None, a word for programs): for an ErrorResult."""
    if isinstance(error, RemoteException):
        return error.args[0], error.traceback, 'exception'
    text = getattr(error, 'message', None) or str(error) or type(error).__name__
    return text, None, getattr(error, 'kind', 'error')
