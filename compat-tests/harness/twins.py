"""The real ssh and this program as an ssh, which do the same on the same server."""

import os

from .binary import BINARY


class Twins:
    """`twins.agree('h1', 'true')`: both end alike. `ours` and `real` are the words that each is started with."""

    def __init__(self, hop):
        self.hop = hop
        self.link = hop.scratch / 'ssh'
        self.link.symlink_to(BINARY)
        self.real, self.ours = ['ssh'], [str(BINARY), 'ssh']

    def each(self, *words, timeout=60, **options):
        return [self.hop.program(*who, *words, **options).finish(timeout) for who in (self.real, self.ours)]

    def agree(self, *words, **options):
        """On the status and every byte of both outputs. Returns ours."""
        real, ours = self.each(*words, **options)
        assert told(real) == told(ours), f'{real}\n{ours}'
        return ours

    def fail_alike(self, *words, **options):
        """With ssh's own status and its own words, which ours explains. Returns ours."""
        real, ours = self.each(*words, **options)
        assert (real.rc, real.out) == (ours.rc, ours.out), f'{real}\n{ours}'
        missing = set(real.said.replace('\r', '').splitlines()) - set(ours.said.replace('\r', '').splitlines())
        assert not missing, f'{real}\n{ours}'
        return ours

    def shell(self, script, **options):
        """A script of the shell's, in which each is "$@"; what both did."""
        words = ['bash', '-c', script, 'bash']
        return [self.hop.program(*words, *who, **options).finish() for who in (self.real, self.ours)]


def told(result):
    return result.rc, result.out, result.err


def is_ours(pid):
    try:
        return os.path.samefile(f'/proc/{pid}/exe', BINARY)
    except OSError:
        return False


def environment(pid):
    with open(f'/proc/{pid}/environ', 'rb') as file:
        return file.read().decode(errors='replace')
