"""A terminal of ours for a program that asks for a password: sudo, su, doas, ssh."""
PASSWORD, OTHER = 0, 1
BESIDE, INPUT = 1, 2


class Terminal:
    """The controlling terminal of a hop's program; whoever is above hears what it asks there."""

    def __init__(self, hop):
        global termios
        import termios
        self.hop, self.reply, self.asked = hop, None, 0
        # What is shown on the terminal, and on standard error: a line in one ends no question in the other.
        self.texts = [EMPTY, EMPTY]
        self.master, self.slave = os.openpty()
        for fd in self.master, self.slave:
            fcntl.fcntl(fd, 2, 1)

    def control(self, link, slave):
        """In the fork: takes the terminal; su has it as standard input too, and the link at 3."""
        try:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        except (AttributeError, EnvironmentError):
            os.close(os.open(os.ttyname(slave), os.O_RDWR))
        if self.hop.terminal == INPUT:
            os.dup2(slave, 0)
            os.dup2(slave, 1)
            os.dup2(link, 3)

    def watch(self):
        """In a thread of its own until the program ends: hears questions until the agent speaks."""
        hop, quiet = self.hop, 0
        hop.answers = self.answer
        while hop.exit is None and (hop.started or not hop.cause):
            if readable([self.master], .05 + .95 * (hop.started > 0)):
                got, quiet = os.read(self.master, 4096), 0
                hop.shown = (hop.shown + got)[-MAX_TAIL:]
                self.heard(0, got)
                continue
            quiet += 1
            lines = self.texts[0].split(pack('B', 10))
            line = lines.pop().strip() or self.texts[1].split(pack('B', 10))[-1].strip()
            # ssh asks whether it may trust a host, with echo on.
            key = line.find(utf8('(yes/no')) >= 0
            # With echo on it is no question for a password.
            if hop.started or not line or not key and termios.tcgetattr(self.master)[3] & termios.ECHO:
                continue
            if key:
                self.ask(OTHER, line)
            elif not hop.token or hop.token in line:
                # Who is refused is told so before the next question; else that is another.
                what = OTHER
                if not self.asked or not hop.token and self.asked == line or hop.token and EMPTY.join(lines).strip():
                    what, self.asked = PASSWORD, line
                self.ask(what, line)
            elif quiet > 9:
                self.ask(OTHER, line)
        # Ends what waits for an answer, also where it runs as somebody whom we may not signal.
        os.close(self.master)
        os.close(self.slave)

    def heard(self, place, got):
        self.texts[place] = (self.texts[place] + got)[-4096:]

    def ask(self, what, line):
        """Asks above, and types the reply."""
        self.texts = [EMPTY, EMPTY]
        self.hop.report(ASKED, pack('B', what) + line)
        flush()
        while self.reply is None and self.hop.exit is None and not self.hop.cause:
            readable([], .02)
        if self.reply is not None:
            os.write(self.master, self.reply + pack('B', 10))
            self.reply = None

    def answer(self, reply):
        self.reply = reply
