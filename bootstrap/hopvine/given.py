"""What users give: checked, and written as paths have it."""
import os

from hopvine.backend import wire

TRANSPORTS = ('ssh', 'local', 'exec', 'sudo', 'su', 'doas', 'docker', 'podman', 'kubectl', 'lxc', 'lxd', 'incus', 'nsenter',
              'machinectl', 'jail')
LITERAL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+'
LONGEST_CONNECT_SECONDS = 10 * 365 * 86400
INFINITY = 1e999
# What ssh, or a ProxyCommand's shell, would take for something else.
NOT_FOR_SSH = '\'"`$;&<>|(){}*?!#~'


def text_of(value, parameter):
    """Text of this Python's own kind."""
    if isinstance(value, wire.Text):
        return wire.native(wire.utf8(value))
    if isinstance(value, str):
        return value
    raise TypeError('%s: text, and not %s' % (parameter, type(value).__name__))


def word(value, parameter):
    """A name that stands as a word of its own in a command line."""
    text = text_of(value, parameter)
    if not text or text[0] == '-' or [char for char in text if ord(char) < 32 or ord(char) == 127]:
        raise ValueError('%s: %r cannot be a name' % (parameter, text))
    return text


def ssh_name(value, parameter):
    text = word(value, parameter)
    if text[0] == '@' or [char for char in text if char.isspace() or char in NOT_FOR_SSH]:
        raise ValueError('%s: %r cannot be a name for ssh' % (parameter, text))
    return text


def port_of(port):
    if isinstance(port, bool) or not str(port).isdigit() or not 0 < int(port) < 65536:
        raise ValueError('port: a number from 1 to 65535, and not %r' % (port,))
    return str(int(port))


def secret(password, parameter):
    if password is None:
        return None
    return as_bytes(password, parameter)


def seconds(value, parameter):
    """A time: a number above 0."""
    if isinstance(value, bool) or not isinstance(value, (float,) + wire.Int):
        raise TypeError('%s: a number of seconds, and not %s' % (parameter, type(value).__name__))
    if not value > 0:
        raise ValueError('%s: a number of seconds above 0, and not %r' % (parameter, value))
    try:
        return float(value)
    except OverflowError:
        return INFINITY


def connect_time(value):
    value = seconds(value, 'connect_timeout')
    if value > LONGEST_CONNECT_SECONDS:
        raise ValueError('connect_timeout: a number of seconds up to %d, which are ten years, and not %r' % (
            LONGEST_CONNECT_SECONDS, value))
    return value


def time_limit(named):
    """Takes `timeout` out of the arguments of a call; None where there is none."""
    timeout = named.pop('timeout', None)
    if timeout is not None:
        timeout = seconds(timeout, 'timeout')
        if timeout < INFINITY:
            return timeout


def patience(timeout):
    """How long to wait for what is on its way: None for ever, 0 or less not at all."""
    if timeout is None or timeout == INFINITY:
        return None
    if timeout != timeout:
        raise ValueError('timeout: a number of seconds, and not %r' % timeout)
    return timeout


def leading(args, *names):
    """The first arguments of a method, and then the rest: so all keywords are left for the function that it calls."""
    if len(args) < len(names):
        raise TypeError('%s: it is missing, and goes by its place' % names[len(args)])
    return args[:len(names)] + (args[len(names):],)


def quoted(text):
    """Text as a part of a path: all that has a meaning there as %XX."""
    written = []
    for char in wire.utf8(text).decode('latin-1'):
        if char in LITERAL:
            written.append(str(char))
        else:
            written.append('%%%02X' % ord(char))
    return ''.join(written)


def with_options(options):
    if not options:
        return ''
    return '?' + '&'.join(['%s=%s' % (name, quoted(value)) for name, value in options])


def split_hops(path):
    """Within options a slash belongs to the value, unless a transport follows it."""
    hops = []
    for piece in path.split('/'):
        if hops and '?' in hops[-1] and piece.split(':')[0] not in TRANSPORTS:
            hops[-1] += '/' + piece
        else:
            hops.append(piece)
    return hops


def without_options(hop):
    name = hop.split('?')[0]
    if name[:4] == 'ssh:':
        return name[4:]
    return name.rstrip(':')


def local(path):
    """A path of this machine, wherever the controller may be at work."""
    return os.path.abspath(as_bytes(path, 'local_path'))


def as_bytes(text, parameter):
    """Text or a path as the system has it."""
    if hasattr(text, '__fspath__'):
        text = text.__fspath__()
    if isinstance(text, wire.Bytes):
        return text
    if isinstance(text, wire.Text):
        return getattr(os, 'fsencode', wire.utf8)(text)
    raise TypeError('%s: text, and not %s' % (parameter, type(text).__name__))


def path_text(value):
    if isinstance(value, wire.Bytes):
        return getattr(os, 'fsdecode', wire.Bytes)(value)
    return value
