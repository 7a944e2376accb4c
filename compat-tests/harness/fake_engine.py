"""Stands in for engines that cannot run here: run as `fake_engine.py ENGINE WORDS...`.

It takes exactly the words that the real program takes, refuses all else as that does, knows one thing named `app`, and
runs the command that it is given. With ENGINE_DOWN set it says what the real one says where nothing answers.
"""

import argparse
import os
import sys


class Parser(argparse.ArgumentParser):
    """Options end where the first word stands that is none, as in most of these programs."""

    def __init__(self, *options, **kinds):
        super().__init__(add_help=False, allow_abbrev=False)
        for option in options:
            self.add_argument(option, action=kinds.get(option.strip('-'), 'store_true'))

    def split(self, words, before=1):
        """The options, and the `before` names and the rest behind them."""
        self.add_argument('rest', nargs=argparse.REMAINDER)
        parsed = self.parse_args(words)
        return parsed, parsed.rest[:before], parsed.rest[before:]


def fail(status, words):
    sys.stderr.write(words + '\n')
    sys.exit(status)


def run(command):
    if not command:
        fail(2, 'a command is missing')
    os.execvp(command[0], command)


def behind_dashes(words, status=1):
    if words[:1] != ['--']:
        fail(status, f'expected -- before the command, and not {words[:1]}')
    return words[1:]


def podman(words):
    if os.environ.get('ENGINE_DOWN'):
        fail(125, 'Cannot connect to Podman. Please verify your connection to the Linux system')
    verb, words = words[0], words[1:]
    if verb == 'exec':
        _, (name,), command = Parser('-i', '--user', user='store').split(words)
        if name != 'app':
            fail(125, f'Error: no container with name or ID "{name}" found: no such container')
        run(command)
    elif verb == 'run':
        stored = dict.fromkeys(('name', 'user', 'entrypoint', 'label'), 'store')
        options = '-i', '--rm', '--label', '--name', '--user', '--entrypoint'
        parsed, (image,), arguments = Parser(*options, **stored).split(words)
        if image != 'python:3.12':
            fail(125, f'Error: short-name "{image}" did not resolve to an alias and no unqualified-search registries are '
                      'defined in "/etc/containers/registries.conf"')
        run([parsed.entrypoint, *arguments])
    fail(125, f'Error: unrecognized command `podman {verb}`')


def kubectl(words):
    if os.environ.get('ENGINE_DOWN'):
        fail(1, 'The connection to the server localhost:8080 was refused - did you specify the right host or port?')
    if words[:1] != ['exec']:
        fail(1, f'error: unknown command "{words[0]}" for "kubectl"')
    stored = dict.fromkeys(('context', 'namespace', 'container'), 'store')
    parsed, (name,), rest = Parser('-i', '--context', '--namespace', '--container', **stored).split(words[1:])
    if parsed.context not in (None, 'eu'):
        fail(1, f'error: context "{parsed.context}" does not exist')
    if name not in ('app', 'deploy/web'):
        fail(1, f'Error from server (NotFound): pods "{name}" not found')
    if parsed.container not in (None, 'web'):
        fail(1, f'Error from server (BadRequest): container {parsed.container} is not valid for pod {name}')
    run(behind_dashes(rest))


def lxc_attach(words):
    parsed, _, rest = Parser('-n', n='store').split(words, 0)
    if parsed.n != 'app':
        fail(1, f'lxc-attach: {parsed.n}: attach.c: get_attach_context: 406 Connection refused - Failed to get init pid')
    run(behind_dashes(rest) if rest[:1] == ['--'] else rest)


def lxd(words):
    if os.environ.get('ENGINE_DOWN'):
        fail(1, 'Error: Get "http://unix.socket/1.0": dial unix /var/lib/lxd/unix.socket: connect: no such file or directory')
    if words[:1] != ['exec']:
        fail(1, f'Error: unknown command "{words[0]}" for "lxc"')
    # Its options may stand behind the name, and end with the dashes.
    name, options, command = words[1], words[2:words.index('--')], words[words.index('--') + 1:]
    if set(options) - {'-T', '-n'}:
        fail(1, f'Error: unknown shorthand flag: {options}')
    if name != 'app':
        fail(1, 'Error: Instance not found')
    run(command)


def systemd_run(words):
    if os.environ.get('ENGINE_DOWN'):
        fail(1, 'Failed to create bus connection: No such file or directory')
    if '--' not in words:
        fail(1, 'Command line to execute required.')
    options = words[:words.index('--')]
    machine = [option.partition('=')[2] for option in options if option.startswith('--machine=')]
    if set(options) - {f'--machine={machine[0]}', '--pipe', '--quiet', '--wait', '--collect'}:
        fail(1, f"systemd-run: unrecognized option '{options}'")
    if machine != ['app']:
        fail(1, f"Failed to start transient service unit: No machine '{machine[0]}' known")
    run(words[words.index('--') + 1:])


def jexec(words):
    _, (name,), command = Parser('-l').split(words)
    if name != 'app':
        fail(1, f'jexec: jail "{name}" not found')
    run(command)


ENGINES = {'podman': podman, 'kubectl': kubectl, 'lxc-attach': lxc_attach, 'lxc': lxd, 'incus': lxd,
           'systemd-run': systemd_run, 'jexec': jexec}

if __name__ == '__main__':
    ENGINES[sys.argv[1]](sys.argv[2:])
