"""What differs between Python 2.4 and 3.14, each difference named once.

The files of core/ are joined in the order that build.rs gives and run in one
namespace, so each uses the names of those before it.
"""
import errno, fcntl, os, select, struct, sys, zlib

try:
    import _thread as thread
except ImportError:
    import thread

pack = struct.pack
unpack = struct.unpack
EMPTY = os.sep.encode()[:0]
if str is type(EMPTY):
    Text, Bytes, Int, LENIENT = unicode, str, (int, long), 'strict'
else:
    Text, Bytes, Int, LENIENT = str, bytes, (int,), 'surrogatepass'


def utf8(text):
    return text.encode('utf-8', LENIENT)


def is_text(data):
    """Whether a str of Python 2 is sent as text: where it is UTF-8."""
    try:
        data.decode('utf-8')
        return Bytes is str
    except UnicodeError:
        return False


def native(data):
    """Text as a program of this Python would write it: on Python 2 ASCII is a str."""
    text = data.decode('utf-8', LENIENT)
    if Bytes is str and len(text.encode('ascii', 'ignore')) == len(data):
        return data
    return text


def private(fd):
    """Moves fd above the standard ones; not inherited, not blocking."""
    copy = fcntl.fcntl(fd, 0, 10)
    fcntl.fcntl(copy, 2, 1)
    fcntl.fcntl(copy, 4, fcntl.fcntl(copy, 3) | os.O_NONBLOCK)
    if fd > 2:
        os.close(fd)
    return copy


def readable(fds, seconds):
    """Those of fds that can be read by then; before Python 3.5 a signal would end the wait with an error."""
    while 1:
        try:
            return select.select(fds, [], [], seconds)[0]
        except select.error:
            pass


def lines(fd):
    """A text file that writes each line at once."""
    if Text is str:
        return open(fd, 'w', 1, 'utf-8', 'surrogateescape', None, False)
    return os.fdopen(fd, 'w', 1)
