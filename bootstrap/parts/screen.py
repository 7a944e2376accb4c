"""A terminal for a command: its controlling one, and its three standard streams."""
RESIZE = 41


class Screen(Input):
    """Our end of it. Also used by the thread that waits for the command, hence the lock."""
    slave = size = None
    swift = 0

    def start(self, order):
        """Returns the command's end. Ours keeps it open too: so it can be read whatever the command closes."""
        global termios
        import termios
        lock.acquire()
        try:
            master, self.slave = os.openpty()
            fcntl.fcntl(self.slave, 2, 1)
            self.fd = private(master)
            self.resize(self.size or pack('>HH', order['rows'], order['columns']))
            self.wait()
        finally:
            lock.release()
        return self.slave

    def control(self):
        for name in 'SIGHUP', 'SIGQUIT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU':
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        try:
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        except (AttributeError, EnvironmentError):
            os.close(os.open(os.ttyname(self.slave), os.O_RDWR))

    def take(self, tag, body, end):
        lock.acquire()
        if tag == RESIZE:
            self.size = body
            self.resize(body)
            body = EMPTY
        # The end of what is typed is none of the terminal's.
        Input.take(self, tag, body, 0)
        lock.release()

    def resize(self, size):
        if self.fd:
            fcntl.ioctl(self.fd, termios.TIOCSWINSZ, pack('HHHH', *unpack('>HH', size) + (0, 0)))

    def write(self):
        lock.acquire()
        try:
            return Input.write(self)
        finally:
            lock.release()

    def release(self):
        """What is left of the output comes at once, unless somebody else has the terminal too."""
        os.close(self.slave)
        readable([self.fd], .05)

    def close(self):
        """Hangs up."""
        taps.pop(self.fd, 0)
        writers.pop(self.fd, 0)
        os.close(self.fd)
        self.fd, self.pieces = None, []
