"""Chains of hops: how to write them, and the program asked to go through them by each kind of relay."""

import pathlib
import shlex
import sys

from .binary import BINARY

# What makes a context that has children a relay of that kind.
RELAYS = {'python': ['--relay', 'python'], 'native': ['--relay', 'native']}


def chain(depth, name='h'):
    """So many hops, each a process here."""
    return '/'.join(f'local:{name}{n}' for n in range(1, depth + 1))


def by(python, name=''):
    """A hop here, run by that interpreter."""
    return f'local:{name}?python={escaped(python.path)}'


def escaped(word):
    return word.replace('%', '%25').replace('/', '%2F').replace('?', '%3F').replace('&', '%26')


class Tree:
    """`tree.call('local:a/local:b', 'module:function')`; the relays on the way are of one kind."""

    def __init__(self, hop, relay):
        self.hop, self.relay, self.options = hop, relay, RELAYS[relay]

    def start(self, verb, target, *words, env=None, **options):
        path = f'{BINARY.parent}:{self.hop.env["PATH"]}'  # where a native relay is found
        return self.hop.start(verb, '-w', target, *self.options, *words, env={'PATH': path, **(env or {})}, **options)

    def __call__(self, *words, timeout=30, **options):
        return self.start(*words, **options).finish(timeout)

    def call(self, target, function, *words, path='lib', **options):
        return self('call', target, '--path', path, function, *words, **options)

    def remote(self, target, function, *words, **options):
        """A call of one of the functions of `remote/`."""
        return self.call(target, function, *words, path=self.hop.remote, **options)

    def run(self, target, *command, **options):
        return self('run', target, '--', *command, **options)

    def way_by(self, program, *words, name='way'):
        """An `exec:` hop through a program of the harness, which has the words and the start command, as three."""
        folder = pathlib.Path(__file__).parents[1]
        start = ['env', f'PYTHONPATH={folder}', sys.executable, '-m', program.__name__]
        return self.hop.way_in(shlex.join([*start, *map(str, words)]), name)
