"""Functions from above, with what they need of the program that they come from (functions.py of the package)."""
YIELDS = 39
# Makes what a reference stands for that is of a kind of its own, by that kind; other parts add theirs.
arrivals = globals().setdefault('arrivals', {})
# The calls whose definitions are here, by their numbers; what is shown of each file.
brought_by = set()
shown_lines = {}


def apply(name, given, brought=None):
    """Calls a function by its name (`module:path`) with plain (args, named); or what a recipe makes: (owner, path, args,
    named), after the definitions that come along."""
    stream = sys._getframe(1).f_locals['stream']
    if name:
        module, path = name.split(':')
        owner = imported(module)
        args, named = given
    else:
        define_all(brought or ())
        owner, path, args, named = made(*given)
        path, named = native_names(path, named)
    result = reached(owner, path)(*args, **named)
    if type(result).__name__ == 'generator':
        part('offer')(stream, YIELDS, EMPTY)
    return result


def imported(name):
    __import__(name)
    return sys.modules[name]


def reached(owner, path):
    if path:
        for name in path.split('.'):
            owner = getattr(owner, name)
    return owner


def native_names(path, named):
    """Names in a pickle of Python 3 are no str to Python 2."""
    return str(path), dict([(str(name), named[name]) for name in named])


def define_all(commits):
    """Each of them once; some come with every call that may have overtaken the first."""
    for commit in commits:
        if commit[0] not in brought_by:
            define(*commit)


def define(number, after, packages, entries):
    """Makes definitions in the namespaces that stand for those of the program."""
    for needed in after:
        if needed not in brought_by:
            raise LookupError('what this call uses was to come with a call that has been cancelled: call again')
    for name in packages:
        module = module_for(name)
        module.__package__, major = packages[name]
        if major > 2 and Bytes is str:
            # There are no old-style classes where this comes from.
            module.__metaclass__ = type
    for space, name, kind, payload in entries:
        if kind == 'module':
            imported(payload)
        elif kind == 'statement':
            exec(compiled(*payload), module_for(space).__dict__)
        else:
            setattr(module_for(space), name, made(*payload))
    brought_by.add(number)


def module_for(name):
    """The module that stands for one of the program's own."""
    module = sys.modules.get(name)
    if module is None or module is started:
        module = sys.modules[name] = type(sys)(name)
        module.__builtins__ = __builtins__
    return module


def compiled(file, first, rows, head, body, futures):
    """Compiles a statement so that its lines have the numbers that they have in their file."""
    file = str_of(file)
    display(file, first, rows)
    flags = 0
    if futures:
        import __future__
        for name in futures:
            if name not in __future__.all_feature_names:
                raise SyntaxError('future feature %s is not defined; this is Python %s' % (name, sys.version.split()[0]),
                                  (file, first, 0, ''))
            flags |= getattr(__future__, name).compiler_flag
    text = '\n' * (first - 1 - head.count('\n')) + head + (body or rows)
    try:
        return compile(text, file, 'exec', flags, 1)
    except SyntaxError:
        error = sys.exc_info()[1]
        error.msg = '%s; this is Python %s' % (error.msg, sys.version.split()[0])
        error.args = (error.msg,) + error.args[1:]
        raise


def str_of(text):
    if type(text) is not str:
        return utf8(text)
    return text


def display(file, first, rows):
    """Has tracebacks and inspect see the lines of a file that is not here."""
    import linecache
    lines = shown_lines.setdefault(file, [])
    rows = rows.splitlines(True)
    lines += ['\n'] * (first - 1 + len(rows) - len(lines))
    lines[first - 1:first - 1 + len(rows)] = rows
    if sys.version_info < (2, 5):
        part('remember')(file, lines)
    # With no time of a last change, nobody looks for the file.
    linecache.cache[file] = sum([len(line) for line in lines]), None, lines, file


def made(references, data):
    """Returns what a recipe describes."""
    things = {}
    states = []
    for at in range(1, len(references)):
        if references[at][0] == 'function':
            things[at], cells = bare(*references[at][1:])
            states.append((things[at], cells))

    def find(at):
        if type(at) not in Int:
            # A str of Python 2.
            at = at.encode('latin-1')
            if Bytes is not str and is_utf8(at):
                at = at.decode('utf-8')
            return at
        if at not in things:
            things[at] = referred(*references[at])
        return things[at]
    unpickler = unpickler_of(data, find)
    value = unpickler.load()
    for function, cells in states:
        complete(function, cells, *unpickler.load())
    return value


def is_utf8(data):
    try:
        data.decode('utf-8')
        return True
    except UnicodeError:
        return False


def unpickler_of(data, find):
    if Bytes is str:
        import cPickle, cStringIO
        unpickler = cPickle.Unpickler(cStringIO.StringIO(data))
        unpickler.persistent_load = find
        return unpickler
    # What the module pickle takes it from, with less to import.
    import _pickle, io

    class Unpickler(_pickle.Unpickler):
        def persistent_load(self, at):
            return find(at)
    return Unpickler(io.BytesIO(data))


def referred(kind, name, *rest):
    if kind == 'name':
        return reached(imported(name), rest[0])
    if kind == 'main':
        return reached(module_for(name), rest[0])
    if kind == 'module':
        return imported(name)
    if kind == 'logger':
        import logging
        if name == 'root':
            return logging.getLogger()
        return logging.getLogger(name)
    if name not in arrivals:
        part(name)
    return arrivals[name](*rest)


def attribute_of(function, name):
    """Python 2.4 and 2.5 have func_NAME where others have __NAME__ too."""
    if hasattr(function, 'func_' + name):
        return 'func_' + name
    return '__%s__' % name


def bare(local, home, name, parameters, statement):
    """Returns (a function without what it holds, {name: what sets that variable of its})."""
    if local:
        module = module_for(home)
    else:
        module = imported(home)
    codes = [compiled(*statement)]
    for code in codes:
        if code.co_name == name and code.co_varnames[:code.co_argcount] == parameters:
            break
        codes += [const for const in code.co_consts if type(const) is type(code)]
    cells, closure = {}, []
    for free in code.co_freevars:
        box = []
        values = variable(box)
        for reader in values:
            break
        closure.append(getattr(reader, attribute_of(reader, 'closure'))[0])
        cells[free] = box, values
    return type(apply)(code, module.__dict__, None, None, tuple(closure)), cells


def variable(box):
    """A variable that functions can share, and that is set later, if at all: by going on when its value is in the box."""
    yield lambda: value
    value = box[0]


def complete(function, cells, values, defaults, named_defaults, attributes, name, qualified):
    for free, value in values:
        if free in cells:
            box, setter = cells[free]
            box.append(value)
            for done in setter:
                pass
    setattr(function, attribute_of(function, 'defaults'), defaults)
    function.__dict__.update(attributes)
    try:
        function.__name__ = str_of(name)
    except TypeError:
        # Python 2.3's, still in 2.4: it has the name of its code.
        pass
    if hasattr(function, '__qualname__'):
        function.__qualname__ = qualified or name
    if named_defaults:
        function.__kwdefaults__ = named_defaults


def answered(kind, flags, to, source, number, body, known=receive):
    """A RESET may have overtaken all that it is about: whoever cancels before anything has come is told that it is over."""
    if kind == RESET and to == me and number < 0x80000000 and (source, number) not in streams and (
            number not in globals().get('delegated', ())):
        lock.acquire()
        control(RESET, source, number, body)
        lock.release()
    else:
        known(kind, flags, to, source, number, body)


receive = answered
