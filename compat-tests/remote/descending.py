"""Leads to ever more contexts below its own. Run as text, by exec, with these names set: the fifos `bell` and `gate`, `path`
(what each is to ask for), and `source`: this text. To be called by Python 3."""

import os
import struct

import hopvine_core as core


def ring(words):
    end = open(bell, 'w')  # noqa: F821
    end.write(words + '\n')
    end.close()


def call_there(context, *words):
    """Calls exec in a context below, by the frame that whoever is above may send."""
    name = core.utf8('builtins:exec')
    message = struct.pack('>BQ', core.CALL, len(name)) + name + core.dump((words, {}))
    core.below[context].push(core.OPEN, core.INTERACTIVE | core.END, context, core.me, 4242, message)
    os.write(core.wake, core.utf8('.'))


def descend(first, *rest):
    """Has the first started, and does the same in it; `!` before it: in the context between here and there."""
    wished = first.strip('!')
    told = core.thread.allocate_lock()
    told.acquire()
    child = core.part('child')(core.utf8(wished), lambda: told.locked() and told.release())
    child.begin()
    told.acquire()
    context = child.context
    if not context:
        return ring(child.why['message'])
    if wished != first:
        context = core.below[context].context
    call_there(context, source, {'bell': bell, 'gate': gate, 'path': rest, 'source': source})  # noqa: F821


if path:  # noqa: F821
    descend(*path)  # noqa: F821
else:
    ring('at the end')
os.read(os.open(gate, os.O_RDONLY), 4)  # noqa: F821
