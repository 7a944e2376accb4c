"""Programs beside the tests that are written in Rust, built when they are needed."""

import functools
import json
import os
import subprocess

from .binary import REPO


@functools.cache
def built(kind, name, *options):
    """The path of the `--example` or the `--bench` of that name."""
    argv = [os.environ.get('CARGO', 'cargo'), 'build', '--locked', kind, name, *options,
            '--message-format=json-render-diagnostics']
    done = subprocess.run(argv, cwd=REPO, stdout=subprocess.PIPE, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return next(message['executable'] for message in messages
                if message['reason'] == 'compiler-artifact' and message['target']['name'] == name)
