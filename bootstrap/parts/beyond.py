"""Modules that only the interpreter of a script may know: it is asked last, for what neither the roots nor this host have."""
# Names at the top of what has come from there.
borrowed = {}


def by_library(frame):
    """Whether it is the standard library that looks for a module, at its top: what it misses there, it can do without."""
    while frame and ('importlib' in frame.f_code.co_filename or frame.f_globals is globals()):
        frame = frame.f_back
    if not frame:
        # A thread of ours.
        return False
    source = frame.f_code.co_filename
    return frame.f_code.co_name[0] in '<?' and (
        source[:7] == '<frozen' or source.startswith(os.path.dirname(os.__file__)) and '-packages' not in source)


def by_loop(frame):
    """Whether it is the loop that imports: it would wait for an answer that it has to read itself, and can do without."""
    while frame:
        if frame.f_code.co_name == 'loop' and frame.f_globals is globals():
            return True
        frame = frame.f_back
    return False


class Beyond(Roots):
    """Last on sys.meta_path."""

    def find_module(self, name, path=None):
        top = name.split('.')[0]
        caller = sys._getframe(1)
        if top in roots or top in ('__main__', '__mp_main__') or by_loop(caller) or by_library(caller):
            return None
        if legacy and found_by_imp(name, path):
            # Python 2 looks there after us.
            return None
        parent = '.'.join(name.split('.')[:-1])
        if name not in sources and (not parent or parent in sources and name[len(parent) + 1:] in sources[parent][3]):
            answer = ask(NEED, utf8('script:' + name))
            if answer:
                learn(None, answer[1])
        if sources.setdefault(name, (MISSING, '', EMPTY, ()))[0] == MISSING:
            return None
        borrowed[top] = 1
        return Loader(name, [])


def served(package, path, of_roots=served):
    if package.split('.')[0] not in borrowed:
        return of_roots(package, path)
    answer = ask(NEED, utf8('script:data:%s:%s' % (package, path)))
    value = answer and load(answer[1])[0]
    if not value and value != EMPTY:
        raise IOError(errno.ENOENT, 'the script has no such file in ' + package, path)
    return value


sys.meta_path.append(Beyond())
