"""Where a function or class is found by name, here and by another interpreter."""
import sys
import types

PYTHON_2 = hasattr('', 'decode')
CLASS = (type, getattr(types, 'ClassType', type))
BUILTIN = type(len)
METHOD = types.MethodType


def locate(thing, spaces=None):
    """Returns (module, path in it) where that leads to the thing, or None."""
    name = getattr(thing, '__name__', None)
    if not isinstance(name, str):
        return None
    path = getattr(thing, '__qualname__', None) or name
    places = [(getattr(thing, '__module__', None), path)]
    owner = owner_of(thing)
    if isinstance(owner, CLASS):
        place = locate(owner, spaces)
        if place:
            places = [(place[0], place[1] + '.' + name)]
    elif owner is not None and not isinstance(owner, types.ModuleType):
        # Such as random.random, a method of an instance that only that module has.
        places = [(type(owner).__module__, name)]
    elif PYTHON_2 and isinstance(thing, CLASS + (types.FunctionType,)):
        # A static method does not know its class, nor a class the one around it.
        inside = spaces and spaces.get(thing.__module__) or getattr(sys.modules.get(thing.__module__), '__dict__', {})
        places += [(thing.__module__, each + '.' + name) for each in sorted(inside)
                   if isinstance(inside[each], CLASS) and name in vars(inside[each])]
    for module, path in places:
        if isinstance(module, str) and leads_to(module, path, thing, spaces):
            return module, path


def owner_of(method):
    """The instance or class of a method; Python 2 has methods of no instance, and built-in types have methods without
    a module."""
    for name in '__self__', 'im_class', '__objclass__':
        owner = getattr(method, name, None)
        if owner is not None:
            return owner


def leads_to(module, path, thing, spaces):
    names = path.split('.')
    if spaces and module in spaces:
        found = spaces[module].get(names[0])
    else:
        found = getattr(sys.modules.get(module), names[0], None)
    for name in names[1:]:
        found = getattr(found, name, None)
    return found is thing or isinstance(thing, (METHOD, BUILTIN)) and found == thing


def by_name(thing):
    """Returns (module, path) where another interpreter, of either major, finds the same."""
    place = locate(thing)
    if place and not is_local(place[0]) and place[0] not in ('builtins', '__builtin__'):
        return place


def is_local(name):
    """Whether a module of that name can be had nowhere else: the program itself, or one that it has made."""
    module = sys.modules.get(name)
    if module is None or name in ('__main__', '__mp_main__'):
        return True
    if name in sys.builtin_module_names:
        return False
    for own in '__file__', '__path__', '__spec__', '__loader__':
        if getattr(module, own, None):
            return False
    return True


def elsewhere(name, value):
    """The module from which a value was imported under this name, where that can be seen."""
    names = sorted([module for module in list(sys.modules) if module[:1] != '_'])
    for module in [type(value).__module__] + names:
        if getattr(sys.modules.get(module), '__dict__', {}).get(name) is value and not is_local(module):
            return module
