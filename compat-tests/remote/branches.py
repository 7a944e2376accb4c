"""Where in the tree a call is, and what it has there. Runs on every Python from 2.4 on."""

import os


def line(title):
    """The pids of this process and those above it that ps shows by that title, this one first."""
    found, pid = [], os.getpid()
    while pid > 1:
        if open('/proc/%d/cmdline' % pid).read().split('\0')[0] == title:
            found.append(pid)
        pid = int(open('/proc/%d/stat' % pid).read().split(')')[-1].split()[1])
    return found


def waiting(bell, gate, title):
    """Tells its line, and returns when the gate opens."""
    tell(bell, line(title))
    os.read(os.open(gate, os.O_RDONLY), 4)  # one line and no more: others wait for theirs
    return 'well'


def tell(bell, words):
    end = open(bell, 'w')
    end.write(' '.join([str(word) for word in words]) + '\n')
    end.close()
