"""Commands: started in the main thread, then served by the loop."""
RUN = 2


def run(stream, body, input):
    """Starts {'words': [bytes], 'shell': bool, 'stdin': bool}; its output and end become messages."""
    import pwd
    if not begin(stream):
        finish(stream)
        lock.acquire()
        stream.put(end=END)
        lock.release()
        return flush()
    order = load(body)[0]
    words = order['words']
    program = words[0]
    if order['shell']:
        try:
            program = pwd.getpwuid(os.getuid())[6] or '/bin/sh'
            if os.path.basename(program) in ('nologin', 'false'):
                # Reached by sudo or into a container, which do not ask it either.
                program = '/bin/sh'
        except KeyError:
            program = '/bin/sh'
        words = [os.path.basename(program), '-c'] + words
    stdin = os.open('/dev/null', os.O_RDONLY)
    if order['stdin']:
        os.close(stdin)
        stdin, feed = os.pipe()
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setsid()
            for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            for fd, end in (0, stdin), (1, out_end), (2, err_end):
                os.dup2(end, fd)
            for fd in stdin, out, out_end, err, err_end:
                os.close(fd)
            if order['stdin']:
                os.close(feed)
            os.execvp(program, words)
        except:
            error = sys.exc_info()[1]
            os.write(2, utf8('hopvine: cannot run %s: %s\n' % (native(program), getattr(error, 'strerror', error))))
            os._exit(126 + (getattr(error, 'errno', 0) == errno.ENOENT))
    for fd in stdin, out_end, err_end:
        os.close(fd)
    if order['stdin']:
        input.open(private(feed))
    outputs = private(out), private(err)

    tell('spared[%d] = 1', pid)
    stream.cancel = lambda: tell('spared.pop(%d, 0); purge([%d], %r, %d); kill(%d)', pid, pid, stream.begun, pid, pid)
    lock.acquire()
    taps[outputs[0]], taps[outputs[1]] = (OUTPUT, stream), (ERRORS, stream)
    lock.release()
    os.write(wake, pack('B', 0))
    thread.start_new_thread(follow, (stream, pid, outputs))


def follow(stream, pid, outputs):
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
    lock.acquire()
    finish(stream)
    for fd in outputs:
        if fd in taps:
            tap(fd)
        if fd in taps:
            taps[fd] = taps[fd][0], None
    stream.put(EXIT, pack('>I', status), END)
    lock.release()
    flush()


handlers[RUN] = lambda stream, body: queue(run, stream, body, Input(stream))
