"""The watchdog becomes a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): it adopts what loses its parent."""


# Where that is not possible, a process that has left the tree is nobody's.
tell('''try:
 import _ctypes
 _ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen(None, 0), 'prctl'), (36, 1, 0, 0, 0))
except Exception:
 pass''')
