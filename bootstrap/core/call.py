"""Calls, in the main thread, and what user code writes meanwhile."""
jobs = []
work = thread.allocate_lock()
current = inside = log = None
taps = {}


def queue(job, *args):
    jobs.append((job, args))
    if work.locked():
        work.release()


def target(fd):
    """The stream that takes the output read from fd: its own, else that of the running call, else the log."""
    return taps[fd][1] or current or log


def tap(fd):
    """Sends what waits in fd; the lock is held."""
    global log
    try:
        data = os.read(fd, WINDOW)
    except OSError:
        return
    if not data:
        taps.pop(fd)
        os.close(fd)
    else:
        if not target(fd):
            log = Stream(0, 1)
        target(fd).put(taps[fd][0], data)


def outcome(stream, body):
    """Calls what body names; returns the message that tells what came of it."""
    size = 8 + unpack('>Q', body[:8])[0]
    try:
        module, path = native(body[8:size]).split(':')
        __import__(module)
        function = sys.modules[module]
        for name in path.split('.'):
            function = getattr(function, name)
        (args, named), size = load(body, size)
        result = function(*args, **named)
        if type(result).__name__ == 'generator':
            return part('produce')(stream, result)
        return RESULT, dump(result), END
    except:
        return FAILURE, part('failure')(sys.exc_info()), END


def written():
    """What user code has written so far is on its way; the lock is held from here on."""
    for output in sys.stdout, sys.stderr:
        try:
            output.flush()
        except:
            pass
    lock.acquire()
    for fd in sorted(taps):
        tap(fd)


def call(stream, body):
    """Calls in the main thread; while it is inside of user code it may be interrupted."""
    global current, inside
    reply = 0, EMPTY, END
    current = stream
    if begin(stream):
        try:
            inside = stream
            reply = outcome(stream, body)
        except KeyboardInterrupt:
            pass
        inside = None
    settle(stream)
    written()
    current = None
    stream.put(*reply)
    lock.release()
    if not jobs:
        flush()


class Misses:
    """Last in the search for a module: the first that user code misses brings the importer."""

    def find_module(self, name, path=None, target=None):
        caller = sys._getframe(1)
        while 'importlib' in caller.f_code.co_filename:
            caller = caller.f_back
        source = caller.f_code.co_filename
        # At the top of a module only ('?' before Python 2.5): in a function it may well look for something of the user's.
        if caller.f_code.co_name[0] in '<?' and ('<frozen' in source or os.path.dirname(os.__file__) in source and '-packages' not in source):
            return None
        if legacy:
            try:
                imp.find_module(name.split('.')[-1], path)
                return None
            except ImportError:
                pass
        return part('importer')(name, path)
    find_spec = find_module


legacy = not sys.meta_path
if legacy:
    import imp
handlers = {CALL: lambda stream, body: queue(call, stream, body)}
