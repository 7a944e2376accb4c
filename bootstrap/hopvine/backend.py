"""What carries tunnels: in a script the link to its controller, in remote code the agent that it runs in.

Both offer `connection(tunnel)`, `put(connections, order, sink)`, `wait(ready, timeout=None)` and `stir()`.
"""
import sys

# By name, so that what only scripts need does not travel with what only remote code needs.
if 'hopvine_core' in sys.modules:
    wire = sys.modules['hopvine_core']
    _name = 'hopvine.remote'
else:
    _name = 'hopvine.local'
    __import__('hopvine.wire')
    wire = sys.modules['hopvine.wire']
__import__(_name)
_chosen = sys.modules[_name]
connection, put, wait, stir = _chosen.connection, _chosen.put, _chosen.wait, _chosen.stir
