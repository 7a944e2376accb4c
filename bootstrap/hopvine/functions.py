"""How a function travels: by its name, or as source with what it uses; and its arguments, which may be anything that
can be pickled."""
import itertools
import sys
import types

from hopvine import serving, source
from hopvine.errors import Unsendable
from hopvine.names import PYTHON_2, BUILTIN, CLASS, METHOD, by_name, elsewhere, is_local, locate, owner_of

core = sys.modules.get('hopvine_core')
if core is None:
    from hopvine import wire as core
if PYTHON_2:
    from cPickle import Pickler
else:
    # Who has a module cPickle of his own is not meant.
    from pickle import Pickler

try:
    from io import BytesIO
except ImportError:
    from StringIO import StringIO as BytesIO

CALL = 1
# A message, with what stands before it on its way.
MESSAGE_BYTES = 64 * 1024 * 1024 - 4096
# What is larger goes in several pieces, and others may overtake it.
PROMPT_BYTES = 32768
# Arguments of up to so many parts are looked through for whether they are plain; pickle is quicker for more.
PARTS = 10000
PLAIN = (type(None), bool, float, core.Text, core.Bytes) + core.Int
# What each module has of its own: Python gives it.
OWN = ('__name__', '__builtins__', '__loader__', '__spec__', '__package__', '__cached__', '__builtin__')
# What each process has one of, by its name.
STANDARD = (('sys', 'stdin'), ('sys', 'stdout'), ('sys', 'stderr'), ('os', 'environ'))
numbers = itertools.count(1)


def refused(text):
    """What cannot travel, and what to do; how that was found is of no interest."""
    error = Unsendable(text)
    error.__suppress_context__ = True
    return error


class Travelling:
    """Base of objects that may be arguments by reference. `call_failed`, where it is set once one has travelled, is called
    should the call fail, or be cancelled, perhaps before it began."""

    call_failed = None

    def travel(self, connection):
        """Returns a plain tuple (kind, ...) for the part of the agent that makes it anew there."""
        raise NotImplementedError


class Definitions(dict):
    """What of the program has been sent to a context: {(space, name): (digest, number)}. `underway`: by their numbers,
    those that have perhaps not come when the next call does, which takes them along as well."""

    def __init__(self):
        self.underway = {}

    def clear(self):
        dict.clear(self)
        self.underway.clear()


def call(function, args, kwargs, connection, travelled=None, arrived=None):
    """Returns (the module whose imports are to travel along, the Call message). `travelled`: a list to which is added what
    is to be called should it fail; `arrived`: what is to be called once there is an answer."""
    name = by_name(function)
    if name and is_plain((args, kwargs)):
        if isinstance(function, BUILTIN):
            # It returns no generator, so there is nothing to announce.
            made = message('%s:%s' % name, args, kwargs)
        else:
            made = message('hopvine_core:apply', ('%s:%s' % name, (args, kwargs)), {})
        fits(made, lambda: largest(function, args, kwargs, Luggage(connection)))
        return name[0], made
    luggage = Luggage(connection)
    luggage.travelled = travelled
    recipe = Recipe(luggage)
    whole = (function, '', args, kwargs)
    owner = owner_of(function)
    if not name and owner is not None and not isinstance(owner, types.ModuleType):
        whole = (owner, function.__name__, args, kwargs)
    try:
        recipe.add(whole)
    except Unsendable:
        raise
    except Exception:
        raise refused(culprit(function, whole, luggage) or '%s cannot be sent: %s' % (
            title(function), sys.exc_info()[1]))
    luggage.bring(recipe.soft, recipe.names, title(function))
    words = [None, recipe.plain()]
    if luggage.digests:
        words.append(luggage.commits())
    made = message('hopvine_core:apply', words, {})
    try:
        fits(made, lambda: largest(function, args, kwargs, luggage))
    except Unsendable:
        # Nothing of it has gone.
        connection.definitions.clear()
        raise
    if luggage.entries and len(made) > PROMPT_BYTES and arrived is not None:
        arrived.append(luggage.keep(words[2][-1]))
    return luggage.imports, made


def message(name, args, kwargs):
    name = core.utf8(name)
    return core.pack('>BQ', CALL, len(name)) + name + core.dump((tuple(args), kwargs))


def fits(message, what):
    """Refuses what is larger than a message may be; `what()` names it."""
    if len(message) > MESSAGE_BYTES:
        raise refused('%s cannot be sent: the message is %d bytes, and may be %d; put() takes files of any size' % (
            what(), len(message), MESSAGE_BYTES))


def largest(function, args, kwargs, luggage):
    """Names what takes the most room in a call."""
    sizes = []
    for place, value in places_of(args, kwargs):
        recipe = Recipe(luggage, trial=True)
        recipe.add(value)
        sizes.append((recipe.file.tell(), '%s of %s (of type %s)' % (place, title(function), type(value).__name__)))
    for space, name, kind, payload in luggage.entries:
        if kind == 'recipe':
            sizes.append((len(payload[1]), '%s of %s, which %s uses,' % (name, space, title(function))))
    for size, what in sorted(sizes)[-1:]:
        return what
    return title(function)


def places_of(args, kwargs):
    places = [('argument %d' % (at + 1), args[at]) for at in range(len(args))]
    return places + [('argument %s' % name, kwargs[name]) for name in sorted(kwargs)]


def culprit(function, whole, luggage):
    """Names the argument that cannot be pickled; None where none is to blame alone."""
    args, kwargs = whole[2:]
    for place, value in places_of(args, kwargs):
        try:
            Recipe(luggage, trial=True).add(value)
        except Exception:
            return '%s of %s (of type %s) cannot be sent: %s%s' % (
                place, title(function), type(value).__name__, sys.exc_info()[1], advice(value))


def title(thing):
    return getattr(thing, '__qualname__', None) or getattr(thing, '__name__', None) or repr(thing)


def advice(value):
    """What to do in place of sending it, in view of the error that has just been raised."""
    name = '%s %s' % (type(value).__name__.lower(), sys.exc_info()[1])
    module = getattr(type(value), '__module__', '') or ''
    if module.split('.')[0] == 'hopvine':
        return '; pass it as an argument, or connect from the function itself'
    for word in 'file', 'wrapper', 'socket', 'connection', 'cursor':
        if word in name:
            return '; open it in the function, or send what is in it'
    for word in 'lock', 'condition', 'event', 'semaphore', 'thread':
        if word in name:
            return '; make it in the function'
    return '; make it in the function, or pass what the function needs of it'


def is_plain(value, left=None, above=()):
    """Whether a value is of exactly the plain types, and none of Python 2's texts that are no text to Python 3."""
    kind = type(value)
    if kind is str and PYTHON_2:
        try:
            value.decode('ascii')
        except UnicodeError:
            return False
    if kind in PLAIN:
        return True
    if left is None:
        left = [PARTS]
    left[0] -= 1
    if kind not in core.NESTED or left[0] < len(value) or len(above) > 90:
        return False
    left[0] -= len(value)
    for one in above:
        if one is value:
            return False
    above += (value,)
    for item in value:
        if not is_plain(item, left, above) or kind is dict and not is_plain(value[item], left, above):
            return False
    return True


class Luggage:
    """What a call needs of the program itself: its definitions, in the order in which they can be made."""

    def __init__(self, connection):
        self.connection = connection
        self.travelled = None
        self.entries = []
        self.digests = {}
        self.after = set()
        self.spaces = {}
        self.imports = ''

    def mention(self, module):
        """A module that will be imported there."""
        if not self.imports and not serving.is_standard(module):
            self.imports = module

    def bring(self, wanted, names, user):
        """Takes along these globals, (space, name), and those modules in packages that are used as attributes."""
        for space, name in sorted(wanted):
            self.need(space, name, user)
            self.inner(self.spaces[space].get(name), names)

    def inner(self, module, names):
        if isinstance(module, types.ModuleType) and hasattr(module, '__path__'):
            for name in sorted(names):
                path = module.__name__ + '.' + name
                # Python 2 notes there what is not in a package, as None.
                if sys.modules.get(path) is not None and getattr(module, name, None) is sys.modules[path]:
                    self.entry(('', path), 'module', path, core.utf8(path))
                    self.inner(sys.modules[path], names)

    def need(self, space, name, user):
        """Takes along one global; returns what tells its present state from others."""
        key = space, name
        namespace = self.spaces[space]
        if key in self.digests or name in OWN or name not in namespace:
            return self.digests.get(key, core.EMPTY)
        self.digests[key] = core.EMPTY
        value = namespace[name]
        try:
            statement = self.statement(space, name, value)
            if statement:
                hard = core.EMPTY
                for each in sorted(statement.hard):
                    hard += self.need(space, each, name)
                    self.inner(namespace.get(each), statement.names)
                self.entry(key, 'statement', statement.plain(), statement.digest() + hard)
                soft, names = [(space, each) for each in statement.soft], statement.names
            else:
                recipe = Recipe(self, key)
                recipe.add(value)
                self.entry(key, 'recipe', recipe.plain(), recipe.told() + recipe.hard)
                soft, names = recipe.soft, recipe.names
        except Unsendable:
            raise
        except Exception:
            raise refused('%s uses %s of %s (of type %s), which cannot be sent: %s%s' % (
                user, name, space, type(value).__name__, sys.exc_info()[1], advice(value)))
        self.bring(soft, names, name)
        return self.digests[key]

    def statement(self, space, name, value):
        """What defines a class or a decorated function is run there; None for values, which travel as they are."""
        namespace = self.spaces[space]
        if isinstance(value, CLASS):
            if value.__module__ != space or value.__name__ != name and namespace.get(value.__name__) is value:
                return None
            statement = source.at_top(name, namespace, ('class', '@class', '='), rows_of(value, namespace))
            if not statement:
                raise source.NoSource('no class of this name is found at the top of what %s was made from' % space)
            return statement
        if isinstance(value, PLAIN + tuple(core.NESTED) + (types.ModuleType, METHOD, BUILTIN)):
            return None
        if isinstance(value, types.FunctionType):
            home = source.attribute(value, 'globals')
            if home is namespace or value.__module__ != space or locate(value, self.spaces) != (space, name):
                return None
        return source.at_top(name, namespace, ('@def',))

    def entry(self, key, kind, payload, told):
        """Adds what makes a global there, unless it has been sent in this state, which the bytes `told` tell from others."""
        digest = source.sha1(told).digest()
        self.digests[key] = digest
        known, number = self.connection.definitions.get(key, (None, 0))
        if known == digest:
            self.after.add(number)
        else:
            self.entries.append(key + (kind, payload))

    def commits(self, known=()):
        """Returns what is to be defined: what is underway and not `known` to have come before, and then what is new."""
        underway = self.connection.definitions.underway
        new = self.commit()
        found, wanted = {}, list(new[1])
        while wanted:
            number = wanted.pop()
            if number in underway and number not in known and number not in found:
                found[number] = underway[number]
                wanted.extend(found[number][1])
        return [found[number] for number in sorted(found)] + [new]

    def keep(self, commit):
        """From now on it is underway, until what is returned is called."""
        underway = self.connection.definitions.underway
        underway[commit[0]] = commit
        return lambda: underway.pop(commit[0], None)

    def commit(self):
        """Returns (number, the numbers of earlier ones that are needed, {space: (its package, Python's major)}, entries)."""
        for number in numbers:
            break
        for entry in self.entries:
            self.connection.definitions[entry[:2]] = self.digests[entry[:2]], number
        packages = {}
        for name in self.spaces:
            packages[name] = self.spaces[name].get('__package__'), sys.version_info[0]
        return number, sorted(self.after), packages, self.entries


def rows_of(value, namespace):
    """The file of a class's methods and their first lines, where there are some."""
    rows = {}
    for each in vars(value).values():
        each = getattr(each, 'fget', None) or getattr(each, '__func__', None) or each
        if isinstance(each, types.FunctionType):
            code = source.attribute(each, 'code')
            if source.lines_of(code.co_filename, namespace):
                rows.setdefault(code.co_filename, []).append(code.co_firstlineno)
    for file in sorted(rows):
        for name, first, depth, how in source.outline(file, namespace):
            if name == value.__name__ and how in ('class', '@class'):
                return file, rows[file]


def asking_pickler(file, refer):
    if PYTHON_2:
        made = Pickler(file, 2)
        made.persistent_id = refer
    else:
        made = Asking(file, 2)
        made.refer = refer
    return made


if not PYTHON_2:
    class Asking(Pickler):
        """Asks about each object, as Python 2's does that has such an attribute."""

        def persistent_id(self, thing):
            return self.refer(thing)


class Recipe:
    """A pickle, and the plain references by which it names what has to be made or found at the other end."""

    def __init__(self, luggage, own=None, trial=False):
        self.luggage, self.own, self.trial = luggage, own, trial
        # 0 would be none to old unpicklers.
        self.references = [None]
        self.places = {}
        self.kept = []
        self.functions = []
        self.soft, self.names, self.hard = set(), set(), core.EMPTY
        self.file = BytesIO()
        self.pickler = asking_pickler(self.file, self.refer)

    def add(self, value):
        """The value, then what each function in it holds, as there may be more functions in that."""
        self.pickler.dump(value)
        for function in self.functions:
            self.pickler.dump(state(function))

    def user(self):
        return self.own and self.own[1] or 'this call'

    def told(self):
        """All that there is to it, with digests of sources in their places."""
        told = [core.utf8(repr(reference[:-1])) for reference in self.references[1:] if reference[0] == 'function']
        told += [source.of_function(function).digest() for function in self.functions]
        told += [core.utf8(repr(reference)) for reference in self.references[1:] if reference[0] != 'function']
        return core.EMPTY.join(told) + self.file.getvalue()

    def plain(self):
        # They hold what was sent, which is somebody else's to let go of.
        self.pickler, self.kept = None, []
        return self.references, self.file.getvalue()

    def refer(self, thing):
        """What pickle asks about each object: None, or what stands for it."""
        kind = type(thing)
        if kind is str and PYTHON_2:
            try:
                thing.decode('ascii')
                return None
            except UnicodeError:
                return thing.decode('latin-1')
        if kind in PLAIN or kind in core.NESTED:
            return None
        if id(thing) not in self.places:
            self.places[id(thing)] = None
            self.kept.append(thing)
            reference = self.reference(thing)
            if reference:
                self.places[id(thing)] = len(self.references)
                self.references.append(reference)
        return self.places[id(thing)]

    def reference(self, thing):
        for module, name in STANDARD:
            if getattr(sys.modules.get(module), name, None) is thing:
                return 'name', module, name
        if isinstance(thing, getattr(types, 'FileType', ())):
            # Python 2 makes something of it that is no file.
            raise TypeError('a file cannot be pickled')
        if isinstance(thing, Travelling):
            if self.own:
                raise refused('%s of %s holds %r, which cannot be sent along: pass it as an argument, or connect from the '
                                 'function itself' % (self.own[1], self.own[0], thing))
            if self.trial:
                return 'travel', ''
            reference = ('travel',) + tuple(thing.travel(self.luggage.connection))
            if self.luggage.travelled is not None and thing.call_failed:
                self.luggage.travelled.append(thing.call_failed)
            return reference
        if isinstance(thing, types.ModuleType):
            return self.module(thing)
        logging = sys.modules.get('logging')
        if logging and isinstance(thing, logging.Logger):
            return 'logger', thing.name
        place = locate(thing, self.luggage.spaces)
        if place and is_local(place[0]):
            return self.local(thing, place)
        if place and (isinstance(thing, CLASS) or isinstance(thing, types.FunctionType)):
            self.luggage.mention(place[0])
            if '.' in place[1]:
                return ('name',) + place
            return None
        if isinstance(thing, types.FunctionType):
            return self.function(thing)
        if isinstance(thing, CLASS):
            raise refused('the class %s of %s is not found there by this name: it is defined in a function, or has been '
                             'defined anew since; define it at the top, and make its instances after that' % (
                                 title(thing), thing.__module__))
        if hasattr(type(thing), '__call__'):
            space = sys.modules['__main__'].__dict__
            for name in [name for name in list(space) if space[name] is thing]:
                if source.at_top(name, space, ('@def',)):
                    return self.local(thing, ('__main__', name))
        if self.own and self.kept[0] is thing:
            module = elsewhere(self.own[1], thing)
            if module:
                self.luggage.mention(module)
                return 'name', module, self.own[1]

    def local(self, thing, place):
        """What is defined in the program itself, at the top or in a class there."""
        module, path = place
        name = path.split('.')[0]
        namespace = self.luggage.spaces.get(module)
        if namespace is None:
            namespace = self.luggage.spaces[module] = sys.modules[module].__dict__
        if (module, name) == self.own:
            return isinstance(thing, types.FunctionType) and self.function(thing) or None
        self.hard += self.luggage.need(module, name, self.user())
        return 'main', module, path

    def module(self, module):
        name = module.__name__
        if sys.modules.get(name) is not module:
            names = [each for each in list(sys.modules) if sys.modules[each] is module]
            name = (sorted(names) + [name])[0]
        if name == '__main__':
            return 'main', name, ''
        if is_local(name):
            raise refused('the module %s, which %s uses, was made by the program: nobody else can import it' % (
                name, self.user()))
        self.luggage.mention(name)
        return 'module', name

    def function(self, function):
        """A function that no name leads to: its source, and the namespace in which it runs; see also state."""
        try:
            statement = source.of_function(function)
        except source.NoSource:
            raise refused('the function %s cannot be sent: %s' % (title(function), sys.exc_info()[1]))
        self.functions.append(function)
        namespace = source.attribute(function, 'globals')
        home = namespace.get('__name__') or '__main__'
        local = is_local(home) or sys.modules[home].__dict__ is not namespace
        if local:
            self.luggage.spaces.setdefault(home, namespace)
            self.soft.update([(home, name) for name in statement.soft])
            self.names.update(statement.names)
        code = source.attribute(function, 'code')
        return 'function', local, home, code.co_name, source.parameters(code), statement.plain()


def state(function):
    """What a function holds beside its code."""
    cells = []
    code = source.attribute(function, 'code')
    for name, cell in zip(code.co_freevars, source.attribute(function, 'closure') or ()):
        try:
            cells.append((name, cell.cell_contents))
        except ValueError:
            # Not set yet.
            pass
    return (cells, source.attribute(function, 'defaults'), getattr(function, '__kwdefaults__', None),
            function.__dict__, function.__name__, getattr(function, '__qualname__', None))
