"""Commands: started in the main thread, then served by the loop."""
RUN, UNHEARD = 2, 45
# F_SETPIPE_SZ.
SET_PIPE_SIZE, PIPE_BYTES = 1031, 4 * WINDOW
# How often the outputs of a command that has ended are still read: others may hold them.
LAST_READS = 64
DEFAULTS = 'SIGPIPE', 'SIGINT', 'SIGXFSZ'


def local(data):
    """Bytes as the environment of this Python has them."""
    if Text is str:
        return data.decode(sys.getfilesystemencoding(), 'surrogateescape')
    return data


def prepared(order):
    """The program, its words, and what its environment has where ours has not."""
    import pwd
    words, shell, home = order['words'], '/bin/sh', {}
    try:
        user = pwd.getpwuid(os.getuid())
        # Reached by sudo or into a container, which do not ask a shell that lets nobody in.
        if os.path.basename(user[6]) not in ('', 'nologin', 'false'):
            shell = user[6]
        home = {'HOME': user[5], 'SHELL': shell, 'USER': user[0], 'LOGNAME': user[0]}
    except KeyError:
        pass
    if order.get('login'):
        return shell, ['-' + os.path.basename(shell)], home
    if order['shell']:
        return shell, [os.path.basename(shell), '-c'] + words, home
    return words[0], words, home


def pipe():
    """As os.pipe(), with more room where that can be had."""
    ends = os.pipe()
    try:
        fcntl.fcntl(ends[1], SET_PIPE_SIZE, PIPE_BYTES)
    except EnvironmentError:
        pass
    return ends


def run(stream, order, input):
    """Starts what a Run message orders; its output and end become messages."""
    if not begin(stream):
        finish(stream)
        lock.acquire()
        stream.put(end=END)
        lock.release()
        return flush()
    program, words, home = prepared(order)
    given = [(local(name), local(value)) for name, value in order.get('env', {}).items()]
    terminal = order.get('terminal')
    feed = None
    if terminal:
        given.append(('TERM', local(terminal['term'])))
        try:
            stdin = out_end = err_end = input.start(terminal)
        except EnvironmentError:
            return unable(stream, 'no terminal can be had: %s' % sys.exc_info()[1].strerror)
        ours = [input.fd]
    else:
        stdin = os.open('/dev/null', os.O_RDONLY)
        if order['stdin']:
            os.close(stdin)
            stdin, feed = pipe()
        out, out_end = pipe()
        err, err_end = os.pipe()
        ours = [private(out), private(err)]
    pid = os.fork()
    if not pid:
        status = 126
        try:
            try:
                os.setsid()
                for name in DEFAULTS:
                    signal.signal(getattr(signal, name), signal.SIG_DFL)
                input.control()
                for fd, end in (0, stdin), (1, out_end), (2, err_end):
                    os.dup2(end, fd)
                for fd in {stdin: 0, out_end: 0, err_end: 0}:
                    os.close(fd)
                if feed:
                    os.close(feed)
                for name in home:
                    os.environ.setdefault(name, home[name])
                for name, value in given:
                    os.environ[name] = value
                if order.get('home'):
                    go_home()
                os.execvp(program, words)
            except:
                error = sys.exc_info()[1]
                status += getattr(error, 'errno', 0) == errno.ENOENT
                if not isinstance(program, Bytes):
                    program = utf8(program)
                why = utf8(': %s\n' % (getattr(error, 'strerror', error),))
                os.write(2, utf8('hopvine: cannot run ') + program + why)
        finally:
            os._exit(status)
    if not terminal:
        for fd in stdin, out_end, err_end:
            os.close(fd)
    if feed:
        input.open(private(feed))
    tell('spared[%d] = 1', pid)
    stream.cancel = lambda: tell('over(%d, %r)', pid, stream.begun)
    lock.acquire()
    ours = list(zip((OUTPUT, ERRORS), ours))
    for tag, fd in ours:
        taps[fd] = tag, stream.output or stream
    lock.release()
    os.write(wake, pack('B', 0))
    thread.start_new_thread(follow, (stream, pid, ours, input))


def go_home():
    """In the fork: as sshd does it."""
    home = os.environ.get('HOME', str())
    try:
        os.chdir(home)
    except EnvironmentError:
        os.write(2, utf8('hopvine: cannot change to the home folder %s: %s\n' % (home, sys.exc_info()[1].strerror)))


def unable(stream, why):
    """Nothing has been started."""
    finish(stream)
    lock.acquire()
    stream.put(ERRORS, utf8('hopvine: %s\n' % why))
    stream.put(EXIT, pack('>I', 126 << 8), END)
    lock.release()
    flush()


def follow(stream, pid, outputs, input):
    """Waits for a command; what it leaves behind in the background writes to the log from then on."""
    status = 255 << 8
    while 1:
        try:
            status = os.waitpid(pid, 0)[1]
        except OSError:
            if sys.exc_info()[1].errno == errno.EINTR:
                continue
        break
    tell('spared.pop(%d, 0)', pid)
    input.release()
    lock.acquire()
    finish(stream)
    # One piece at a time.
    tap_once = globals().get('tap_own', tap)
    for tag, fd in outputs:
        # One that has been closed may be another command's by now.
        own = tag, stream.output or stream
        for again in range(LAST_READS):
            if taps.get(fd) == own and readable([fd], 0):
                tap_once(fd)
        if taps.get(fd) == own:
            taps[fd] = tag, None
    input.close()
    exit = pack('>I', status)
    if stream.output:
        stream.output.put(EXIT, exit, END)
    stream.put(EXIT, exit, END)
    lock.release()
    flush()


def ordered(stream, order):
    input = Input
    if order.get('terminal'):
        input = Screen
    queue(run, stream, order, input(stream.input or stream))


def unheard(stream, body):
    """Nobody reads what the command of another stream writes: it is to meet a broken pipe. A terminal stays."""
    streams.pop((stream.peer, stream.number), 0)
    stream = streams.get((stream.peer, unpack('>I', body)[0]))
    lock.acquire()
    for fd in list(taps):
        if stream and taps[fd] == (OUTPUT, stream) and not os.isatty(fd):
            taps.pop(fd)
            os.close(fd)
    lock.release()


# Where they are not this one.
Stream.input = Stream.output = None
handlers[RUN] = lambda stream, body: ordered(stream, load(body)[0])
handlers[UNHEARD] = unheard
