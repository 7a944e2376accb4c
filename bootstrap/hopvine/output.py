"""What remote code writes and logs, as it is shown here: line by line, with its host before it."""
import re
import sys

from hopvine.backend import wire

# A line without an end is shown in pieces.
MAX_LINE_BYTES = 65536
# All but the tab; what is left of colours and the like would be a command to a terminal.
CONTROLS = re.compile('[\0-\x08\x0a-\x1f\x7f-\x9f]')
NEWLINE = wire.utf8('\n')


class Lines(object):
    """One of both outputs of one call. `show(host, stream, text)` gets each line; without it, the stream here."""

    def __init__(self, host, stream, show=None):
        self.host, self.stream, self.show = host, stream, show or write
        self.rest = wire.EMPTY

    def push(self, data):
        lines = (self.rest + data).split(NEWLINE)
        self.rest = lines.pop()
        if len(self.rest) > MAX_LINE_BYTES:
            lines.append(self.rest)
            self.rest = wire.EMPTY
        for line in lines:
            self.show(self.host, self.stream, line.decode('utf-8', 'replace'))

    def end(self):
        if self.rest:
            self.push(NEWLINE)


def write(host, stream, text):
    """Writes a line to sys.stdout or sys.stderr, whatever these are at the moment."""
    out = getattr(sys, stream)
    if out is None:
        return
    if getattr(out, 'isatty', bool)():
        text = CONTROLS.sub(lambda found: '\\x%02x' % ord(found.group()), text)
    line = '%s: %s\n' % (host, text)
    if wire.Bytes is str:
        line = wire.utf8(line)
    try:
        out.write(line)
    except UnicodeError:
        encoding = getattr(out, 'encoding', None) or 'ascii'
        out.write(line.encode(encoding, 'backslashreplace').decode(encoding))
    except TypeError:
        # A file of Python 2's io, which takes nothing but its own kind of text.
        out.write(line.decode('utf-8'))
    out.flush()


def log(host, record):
    """Hands a record to the logger of that name; its host is the attribute `hopvine_host`."""
    import logging
    name, number, level, text = record
    logger = logging.getLogger(name)
    if logger.isEnabledFor(number):
        record = logger.makeRecord(name, number, host, 0, text, (), None)
        record.levelname, record.hopvine_host = level, host
        logger.handle(record)
