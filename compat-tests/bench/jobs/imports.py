"""The first call of a function whose modules only the controller has."""

import functools
import io
import json
import shlex
import subprocess
import zipfile

import grove
from rounds import Contestant, Job

from . import connect

# From memory, so that the far side has no file to make or to remove.
FROM_ZIP = '''\
import os,sys
zip=os.memfd_create("zip")
os.write(zip,sys.stdin.buffer.read())
sys.path.insert(0,"/proc/self/fd/%d"%zip)
from {module} import {function}
print({function}())
'''
# Imports what its host has not, and reduces what they made to a number.
USE = '''\
import zlib

import jinja2
import yaml

TEMPLATE = """\\
{% for name, host in hosts | dictsort if host.ports -%}
{{ name | upper }}: {{ host.ports | map('string') | join(', ') }}
{% endfor %}"""
HOSTS = """\\
web: {ports: [80, 443], tags: &tags [front, public]}
mail: {ports: [25], tags: *tags}
spare: {ports: []}
"""


def render():
    text = jinja2.Environment(trim_blocks=True).from_string(TEMPLATE).render(hosts=yaml.safe_load(HOSTS))
    assert text == "MAIL: 25\\nWEB: 80, 443\\n", text
    return zlib.crc32(text.encode()) & 0xFFFFFFFF
'''


class Work:
    """A function of no arguments that returns a number, in a folder of the controller's."""

    def __init__(self, bench, folder, module, function, python):
        self.bench, self.folder, self.module, self.function, self.python = bench, folder, module, function, python
        self.zip = zipped(folder)
        call = f'import sys; sys.path.insert(0, {str(folder)!r}); from {module} import {function}; print({function}())'
        here = subprocess.run([python, '-B', '-c', call], check=True, stdout=subprocess.PIPE)
        self.expected = json.loads(here.stdout)
        names = sorted({path.relative_to(folder).parts[0].partition('.')[0] for path in folder.rglob('*.py')})
        find = f'from importlib.util import find_spec; print([name for name in {names} if find_spec(name)])'
        there = bench.start('ssh', 'h1', shlex.join([python, '-c', find])).well_done()
        assert there.text == '[]\n', there

    def ways(self):
        """Each contestant's name, how it starts for a host, and how it starts to ask for the time and nothing else."""
        bench, named = self.bench, f'{self.module}:{self.function}'
        program = shlex.join([self.python, '-c', FROM_ZIP.format(module=self.module, function=self.function)])
        call = 'call', '--python', self.python, '--path', self.folder, named
        (_, ssh), (_, hopvine), _, *peers = connect.ways(bench, self.python)
        yield 'ssh HOST PYTHON -c ... <ZIP', lambda host: bench.start('ssh', host, program, stdin=self.zip), ssh
        yield 'hopvine call --path', lambda host: bench.hopvine(*call, '-w', host), hopvine
        for peer, light in peers:
            if peer != 'execnet':  # which sends one module
                yield peer, lambda host, peer=peer: bench.peer(peer, 'first_call', host, self.folder, named,
                                                               python=self.python), light

    def measure(self, start, host):
        """What it took to the right result, and what had gone through the host's proxy by then."""
        proxy = self.bench.proxies.get(host)
        up, turns = (proxy.up_bytes, proxy.turns) if proxy else (0, 0)
        run = start(host)
        figures = {'first_ms': run.until_lines(1) * 1e3}
        if proxy:
            figures.update(up_kb=(proxy.up_bytes - up) / 1024, turns=proxy.turns - turns)
        result = run.well_done()
        figures['whole_ms'] = result.seconds * 1e3
        assert json.loads(result.text) in (self.expected, {'value': self.expected}), (self.expected, result)
        return figures


def zipped(folder):
    """Modules and nothing that was made from them."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, 'w', zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob('*.py')):
            archive.write(path, path.relative_to(folder))
    return made.getvalue()


def of_grove(bench):
    folder = bench.hop.scratch / 'modules'
    grove.make(folder)
    return Work(bench, folder, grove.NAME, 'total', bench.python)


def of_packages(bench):
    folder = bench.packages.used()
    (folder / 'use.py').write_text(USE)
    return Work(bench, folder, 'use', 'render', bench.bare_python)


def near(make, bench):
    work = make(bench)
    return [Contestant(name, functools.partial(work.measure, start, 'h1'), connect.required(name))
            for name, start, _ in work.ways()]


def far(make, bench):
    work = make(bench)
    hosts = bench.host_behind('near', 0), bench.host_behind('far', connect.ROUND_TRIP_SECONDS)

    def run(start, light):
        at_0, at_100 = (work.measure(start, host) for host in hosts)
        light_ms = light('far').first_and_whole()['first_ms']
        return {'at_0_ms': at_0['first_ms'], 'at_100_ms': at_100['first_ms'], 'more_ms': at_100['first_ms'] - light_ms,
                'round_trips': (at_100['first_ms'] - at_0['first_ms']) / 1e3 / connect.ROUND_TRIP_SECONDS,
                'turns': at_100['turns'], 'up_kb': at_100['up_kb']}
    return [Contestant(name, functools.partial(run, start, light), connect.required(name))
            for name, start, light in work.ways()]


NEAR_COLUMNS = [('first_ms', 'first result, ms'), ('whole_ms', 'whole process, ms')]
FAR_COLUMNS = [('at_100_ms', 'first result, ms'), ('more_ms', 'more than connect, ms'), ('at_0_ms', 'at 0 ms, ms'),
               ('round_trips', 'round trips'), ('turns', 'flights'), ('up_kb', 'KiB up')]
ABOUT = ('From the start of the process; the result is checked, and so is that PYTHON cannot import the modules by '
         'itself. The zip is made beforehand; ssh carries it as standard input, and Python imports from it in memory. '
         'mitogen has ssh compress (-C), as is its default; execnet cannot do it.')

JOB = Job(
    'the first call of a function of a package of 61 modules, over a fresh connection', NEAR_COLUMNS,
    functools.partial(near, of_grove), ABOUT, needs_ssh=True)
JOB_100MS = Job(
    'the same, 100 ms there and back', FAR_COLUMNS, functools.partial(far, of_grove),
    'Both through the proxy. The second column is the difference to a call of time.time, as in connect_100ms, in the '
    'same round; standard input costs ssh the round trip that connect spares it. Round trips are the difference '
    'divided by 100 ms, most of them those of ssh. Flights and KiB are what came from the client until the first '
    'result: bursts that could not be answers to each other, and bytes. Budget: 1.25 x the first row, and no round '
    'trip more.', needs_ssh=True)
PACKAGES = Job(
    'the first call of a function that uses jinja2 and PyYAML, over a fresh connection', NEAR_COLUMNS,
    functools.partial(near, of_packages),
    'It renders a template from what it loads of YAML. As import61; PYTHON is one that has neither, and the packages '
    'are without their compiled modules.', needs_ssh=True)
PACKAGES_100MS = Job(
    'the same, 100 ms there and back', FAR_COLUMNS, functools.partial(far, of_packages),
    'As import61_100ms. No budget of its own.', needs_ssh=True)
