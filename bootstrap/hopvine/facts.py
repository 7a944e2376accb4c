"""What a host tells of itself: plain functions, to be called there.

    from hopvine import Tunnel, facts
    Tunnel('web1').call(facts.python_version)

They need nothing of the rest of the package.
"""
import os
import socket
import sys

# Root name servers: nobody routes those anywhere but outward.
OUTWARD = (('AF_INET', '198.41.0.4'), ('AF_INET6', '2001:503:ba3e::2:30'))


def ip():
    """The address that reaches outward, as text; where nothing does, the one that the host's own name has, else 127.0.0.1.

    Nothing is sent: a connected datagram socket knows its source.
    """
    for family, address in OUTWARD:
        try:
            probe = socket.socket(getattr(socket, family), socket.SOCK_DGRAM)
            try:
                probe.connect((address, 53))
                return probe.getsockname()[0]
            finally:
                probe.close()
        except (AttributeError, socket.error):
            pass
    try:
        return socket.gethostbyname(hostname())
    except socket.error:
        return '127.0.0.1'


def hostname():
    """Its own name, as `uname -n` has it."""
    return os.uname()[1]


def python_version(short=False):
    """The version of the interpreter, '3.12.1'; with `short` '3.12'."""
    return '.'.join([str(number) for number in sys.version_info[:3 - bool(short)]])


def python_executable():
    """The path of the interpreter, or None where it does not know."""
    return sys.executable or None


def pid():
    """The number of the process that functions are called in."""
    return os.getpid()


def user():
    """The name of the user that functions are called as; a number where it has no name."""
    import pwd
    try:
        return pwd.getpwuid(os.geteuid())[0]
    except KeyError:
        return str(os.geteuid())


def system():
    """The kernel and its release: 'Linux 5.10.0'."""
    return '%s %s' % (os.uname()[0], os.uname()[2])


def machine():
    """The processor's architecture: 'x86_64'."""
    return os.uname()[4]
