"""Standard input for a command or a script, from the messages of its stream."""
EXIT = 21


class Input:
    """The standard input of a command; credit is given as the command reads."""

    def __init__(self, stream):
        self.stream = stream
        self.fd, self.data, self.last = None, EMPTY, 0
        self.window = WINDOW
        stream.handle = self.take
        stream.hold = 1

    def take(self, tag, body, end):
        self.data += body
        self.last = end
        self.wait()

    def open(self, fd):
        self.fd = fd
        self.wait()

    def wait(self):
        if self.fd and (self.data or self.last):
            writers[self.fd] = self.feed

    def feed(self):
        try:
            self.data = self.data[os.write(self.fd, self.data):]
        except OSError:
            if sys.exc_info()[1].errno == errno.EAGAIN:
                return
            self.data = EMPTY
        if not self.data:
            writers.pop(self.fd)
            self.grant()
            if self.last:
                os.close(self.fd)

    def grant(self):
        """Gives back what has been read; the window of a reader that keeps up doubles, up to 4 MiB."""
        self.stream.grant(self.stream.owed)
        self.stream.owed = 0
        if not self.stream.taken and self.window < 64 * WINDOW:
            self.stream.grant(self.window)
            self.window *= 2
