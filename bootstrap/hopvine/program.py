"""A script, a module, a text or a prompt, run as Python itself would run it: what `hopvine py` does."""
import atexit
import code
import linecache
import os
import pkgutil
import runpy
import signal
import sys
import types
import zipimport

from hopvine import source
from hopvine.names import PYTHON_2

# Modules that were __main__ before: Python 2 would empty them if nobody held them.
replaced = []
# Whether the program was ended by an interrupt.
interrupted = []


def run(argv):
    """Runs [script, words...], ['-m', module, words...], ['-c', text, words...], ['-', words...], or [] for a prompt where
    standard input is a terminal; returns at the end of that, or raises SystemExit."""
    # What is registered first runs last.
    atexit.register(end_by_signal)
    if sys.path[:1] == ['']:
        del sys.path[0]
    kind = (argv + [''])[0]
    try:
        if kind == '-m':
            run_module(argv[1], argv[2:])
        elif kind == '-c':
            run_text('<string>', encoded(argv[1]), ['-c'] + argv[2:])
        elif kind == '' and os.isatty(0):
            prompt()
        elif kind in ('', '-'):
            run_text('<stdin>', getattr(sys.stdin, 'buffer', sys.stdin).read(), [kind] + argv[1:])
        else:
            run_file(kind, argv)
    except SystemExit:
        raise
    except:
        ended(*sys.exc_info())


def encoded(text):
    if PYTHON_2:
        return text
    return text.encode('utf-8', 'surrogateescape')


def main_module(**names):
    """A fresh __main__."""
    module = types.ModuleType('__main__')
    module.__dict__.update({'__builtins__': sys.modules[type(len).__module__ or 'builtins']})
    module.__dict__.update(names)
    replaced.append(sys.modules.get('__main__'))
    sys.modules['__main__'] = module
    return module


def search_first(folder):
    """Puts a folder before all others, unless Python was told not to."""
    if not getattr(sys.flags, 'safe_path', False):
        sys.path.insert(0, folder)


def run_module(name, words):
    main_module()
    sys.argv[:] = ['-m'] + words
    folder = ''
    if sys.version_info >= (3, 7):
        folder = os.getcwd()
    search_first(folder)
    # What Python itself calls.
    runpy._run_module_as_main(name)


def run_text(name, text, argv):
    module = main_module()
    sys.argv[:] = argv
    search_first('')
    source.keep(name, text)
    if name == '<string>' and sys.version_info >= (3, 13):
        # From then on tracebacks show such lines; whoever started us may have been given by -c too.
        getattr(linecache, '_interactive_cache', {}).clear()
        linecache.cache[name] = len(text), None, source.texts[name], name
    exec(compile(text, name, 'exec', 0, 1), module.__dict__)


def run_file(path, argv):
    sys.argv[:] = argv
    if sys.version_info >= (3, 14):
        path = os.path.abspath(path)
    elif sys.version_info >= (3, 9):
        path = os.path.join(os.getcwd(), path)
    if os.path.isdir(path) or is_archive(path):
        main_module()
        sys.path.insert(0, path)
        runpy._run_module_as_main('__main__', False)
        return
    try:
        file = open(path, 'rb')
    except (IOError, OSError):
        error = sys.exc_info()[1]
        sys.stderr.write("%s: can't open file %r: [Errno %d] %s\n" % (sys.executable, path, error.errno, error.strerror))
        raise SystemExit(2)
    compiled = text = None
    try:
        if path[-4:] in ('.pyc', '.pyo'):
            compiled = pkgutil.read_code(file)
        else:
            text = file.read()
    finally:
        file.close()
    module = main_module(__file__=path)
    if not PYTHON_2:
        module.__cached__ = None
        module.__loader__ = loader_of(path)
    search_first(os.path.dirname(os.path.realpath(path)))
    if compiled is None:
        # Before it can be changed.
        linecache.getlines(path)
        compiled = compile(text, path, 'exec', 0, 1)
    exec(compiled, module.__dict__)


def is_archive(path):
    try:
        zipimport.zipimporter(path)
        return True
    except zipimport.ZipImportError:
        return False


def loader_of(path):
    import importlib.machinery
    if path.endswith('.pyc'):
        return importlib.machinery.SourcelessFileLoader('__main__', path)
    return importlib.machinery.SourceFileLoader('__main__', path)


def ended(kind, error, trace):
    """Says what the program raised, without what is ours, and ends as Python would."""
    while trace and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    if hasattr(error, '__traceback__'):
        error.__traceback__ = trace
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    sys.excepthook(kind, error, trace)
    if issubclass(kind, KeyboardInterrupt) and sys.version_info >= (3, 8):
        interrupted.append(True)
    raise SystemExit(1)


def end_by_signal():
    """After all else: whoever has started this sees that it was interrupted."""
    if interrupted:
        for output in sys.stdout, sys.stderr:
            try:
                output.flush()
            except (EnvironmentError, ValueError):
                pass
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)


class Prompt(code.InteractiveConsole):
    """Python's prompt, which keeps what is typed: so it can be shown, and sent."""

    typed = ''
    count = 1

    def runsource(self, text, filename='', symbol='single', **more):
        self.typed = text
        return code.InteractiveConsole.runsource(self, text, '<input %d>' % self.count, symbol, **more)

    def runcode(self, compiled):
        lines = [line + '\n' for line in self.typed.splitlines()]
        linecache.cache['<input %d>' % self.count] = len(self.typed), None, lines, '<input %d>' % self.count
        self.count += 1
        code.InteractiveConsole.runcode(self, compiled)


def prompt():
    import hopvine
    module = main_module(hopvine=hopvine)
    sys.argv[:] = ['']
    search_first('')
    complete_names()
    startup = os.environ.get('PYTHONSTARTUP')
    if startup and not sys.flags.ignore_environment and os.path.isfile(startup):
        file = open(startup, 'rb')
        try:
            text = file.read()
        finally:
            file.close()
        exec(compile(text, startup, 'exec', 0, 1), module.__dict__)
    banner = 'Python %s on %s\nType "help", "copyright", "credits" or "license" for more information.\n' \
             'The module hopvine is imported.' % (sys.version, sys.platform)
    words = {}
    if sys.version_info >= (3, 6):
        words['exitmsg'] = ''
    Prompt(module.__dict__).interact(banner, **words)


def complete_names():
    """History and completion as Python's own prompt has them."""
    if hasattr(sys, '__interactivehook__'):
        sys.__interactivehook__()
        return
    try:
        import readline
        import rlcompleter
    except ImportError:
        return
    readline.parse_and_bind(rlcompleter and 'tab: complete')
