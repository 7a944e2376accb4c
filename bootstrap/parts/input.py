"""Standard input for a command or a script, from the messages of its stream."""
EXIT = 21


class Input:
    """The standard input of a command; credit is given as the command reads. `swift`: only the loop writes to it."""
    swift = 1

    def __init__(self, stream):
        self.stream = stream
        self.fd, self.last, self.used = None, 0, 0
        # What has not been written yet, with the credit that is owed for it.
        self.pieces = []
        self.window = WINDOW
        stream.handle = self.take
        stream.hold = 1

    def take(self, tag, body, end):
        # Of what came in several frames, all but the last has been granted.
        self.pieces.append((body, self.stream.owed or len(body) + 1))
        self.stream.owed = 0
        self.last = end
        self.wait()

    def open(self, fd):
        self.fd = fd
        self.wait()
        # What has come before that waits for a loop that has not been asked to look.
        os.write(wake, pack('B', 0))

    def wait(self):
        if self.fd and self.pieces:
            writers[self.fd] = self.feed

    def feed(self):
        self.spend(self.write())

    def spend(self, size):
        """Gives back what has been read, half a window at once; that of a reader that keeps up doubles, up to 4 MiB."""
        self.used += size
        if self.used < self.window // 2:
            return
        more, self.used = self.used, 0
        if not self.pieces and self.window < 64 * WINDOW:
            # All of them together have no more than four that have grown so far.
            if sum([other.grown for other in list(streams.values())]) + self.window <= 256 * WINDOW:
                more += self.window
                self.window *= 2
                self.stream.grown = self.window
        self.stream.grant(more)
        if self.swift and 'fed' in globals() and not self.stream.quick:
            feed_much(self)

    def write(self):
        """Writes as much as is taken; returns the credit that is owed for it."""
        used = 0
        while self.pieces:
            piece, owed = self.pieces[0]
            try:
                count = os.write(self.fd, piece)
            except OSError:
                if sys.exc_info()[1].errno == errno.EAGAIN:
                    return used
                # Nobody reads it any more.
                self.broken()
                count = len(piece)
            if count < len(piece):
                self.pieces[0] = piece[count:], owed
                return used
            self.pieces.pop(0)
            used += owed
        writers.pop(self.fd, 0)
        if self.last:
            self.end()
        return used

    def end(self):
        lock.acquire()
        fd, self.fd = self.fd, None
        if fd:
            writers.pop(fd, 0)
            os.close(fd)
        lock.release()

    def broken(self):
        """What cannot be written is used up all the same."""
        pass

    def control(self):
        """In the fork, a session of its own: nothing but a terminal is to be taken."""
        pass

    def release(self):
        """The command has ended."""
        pass

    def close(self):
        """All that it has written has been read, and nothing more comes for it; the lock is held."""
        if self.fd:
            # The loop closes it, behind what is still to be written for whoever else may read it.
            self.last = 1
            writers[self.fd] = self.feed
            os.write(wake, pack('B', 0))


Stream.grown = 0
