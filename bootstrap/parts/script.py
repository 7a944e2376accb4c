"""A whole script as __main__, in the main thread, with standard input and arguments of its own."""
SCRIPT = 7


def script(stream, body, input):
    """Runs {'name': text, 'source': bytes, 'words': [text], 'stdin': bool}; its end is told as that of a command."""
    global current, inside
    status = 1
    current = stream
    if begin(stream):
        order = load(body)[0]
        load_site()
        if order['stdin']:
            got, feed = os.pipe()
            os.dup2(got, 0)
            os.close(got)
            input.open(private(feed))
        try:
            inside = stream
            status = main(order)
            if os.getpid() != agent:
                # A fork of the script's own ends as it would have.
                sys.stdout.flush()
                os._exit(status)
        except KeyboardInterrupt:
            pass
        inside = None
        nothing = os.open('/dev/null', os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    settle(stream)
    written()
    input.close()
    current = None
    stream.put(EXIT, pack('>I', status << 8), END)
    lock.release()
    flush()


def main(order):
    """Returns the exit status that a Python of its own would have had."""
    name, source = order['name'], order['source']
    sources['__main__'] = MODULE, name, source, ()
    module = sys.modules['__main__'] = type(sys)('__main__')
    module.__file__ = name
    module.__loader__ = Loader('__main__', [])
    module.__package__ = module.__spec__ = None
    sys.argv = [name] + order['words']
    try:
        exec(module.__loader__.get_code(), module.__dict__)
        status = 0
    except:
        status = uncaught(sys.exc_info())
    return finished() or status


def uncaught(info):
    """Says what a script raised, as Python itself would, and returns the status for it."""
    kind, error, trace = info
    if issubclass(kind, KeyboardInterrupt) and inside.gone:
        raise KeyboardInterrupt
    if issubclass(kind, SystemExit):
        code = error.code
        if code is None:
            return 0
        if isinstance(code, Int):
            return code & 255
        sys.stderr.write('%s\n' % (code,))
        return 1
    while trace and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    if hasattr(error, '__traceback__'):
        error.__traceback__ = trace
    sys.excepthook(kind, error, trace)
    return 1


def finished():
    """What Python does at its end: waits for threads, calls what was registered with atexit."""
    status = 0
    threading = sys.modules.get('threading')
    if threading:
        for one in threading.enumerate():
            if one is not threading.currentThread() and not one.isDaemon():
                one.join()
    if 'atexit' in sys.modules:
        try:
            sys.modules['atexit']._run_exitfuncs()
        except SystemExit:
            status = uncaught(sys.exc_info())
        except Exception:
            status = 1
    return status


handlers[SCRIPT] = lambda stream, body: queue(script, stream, body, Input(stream))
