"""Functions, commands and files on other machines, through tunnels (docs/GUIDE.md, "Python").

    from hopvine import Tunnel
    with Tunnel('web1') as web1:
        print(web1.call(time.time))
"""
import sys

# Remote code has this on older ones too.
if (sys.version_info < (2, 7) or (3,) <= sys.version_info < (3, 6)) and 'hopvine_core' not in sys.modules:
    raise ImportError('scripts with hopvine need Python 2.7, or 3.6 or newer; this is ' + sys.version.split()[0])

# How deep code that runs remotely may open tunnels of its own: one that the script opens is level 1.
DEPTH_LIMIT = 2

# Where each name is; what is not asked for is not loaded, and does not travel with remote code.
_PLACES = {
    'tunnel': ['BaseTunnel', 'Docker', 'Doas', 'Incus', 'Jail', 'Kubectl', 'LXC', 'LXD', 'Local', 'Machinectl', 'Nsenter',
               'Podman', 'SSHTunnel', 'Su', 'SubprocessTunnel', 'Sudo', 'Target', 'Tunnel'],
    'group': ['ErrorResult', 'Group', 'GroupResult'],
    'queue': ['AsyncResult', 'Queue'],
    'channel': ['Channel', 'ChannelClosed', 'Receiver', 'Select'],
    'errors': ['Cancelled', 'CommandFailed', 'ConnectionFailed', 'DepthLimitExceeded', 'FileError', 'HopvineError',
               'HostError', 'NotCompleted', 'RemoteException', 'TimedOut', 'Unsendable'],
}
_BY_NAME = dict([(name, module) for module in _PLACES for name in _PLACES[module]])
__all__ = sorted(_BY_NAME) + ['DEPTH_LIMIT']


class _Package(type(sys)):
    """In the place of this module, as modules have no way before Python 3.7 to look for a name."""

    def __getattr__(self, name):
        if name not in _BY_NAME:
            raise AttributeError('module %r has no attribute %r' % (__name__, name))
        place = '%s.%s' % (__name__, _BY_NAME[name])
        __import__(place)
        value = getattr(sys.modules[place], name)
        setattr(self, name, value)
        return value

    def __dir__(self):
        return sorted(set(list(self.__dict__) + __all__))


_package = _Package(__name__, __doc__)
# Python 2 empties a module that nobody refers to any more.
_package._module = sys.modules[__name__]
_package.__dict__.update(sys.modules[__name__].__dict__)
sys.modules[__name__] = _package
