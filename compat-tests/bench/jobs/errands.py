"""What tools do in an instant: what they pay is the way there."""

import functools

from jobs.connect import ROUND_TRIP_SECONDS
from jobs.fanout import ANSIBLE
from packages import mitogen_strategy
from rounds import Contestant, Job
from ways import ways

FILES = 100


class Errands:
    """Each takes a way and returns the process of a tool that goes there, and what is wrong with what came of it: a
    function of its result."""

    def __init__(self, bench):
        self.bench, self.folder = bench, bench.site.dir / 'errands'
        self.small, self.copy, self.tree, self.synced, self.bare = (
            self.folder / name for name in ('small', 'copy', 'tree', 'synced', 'bare.git'))
        if not self.folder.exists():
            self._prepare()

    def _prepare(self):
        self.tree.mkdir(parents=True)
        self.small.write_bytes(b'abc')
        for number in range(FILES):
            (self.tree / str(number)).write_bytes(b'%d\n' % number * 100)
        me = '-c', 'user.name=me', '-c', 'user.email=me@here'
        work = self.folder / 'work'
        for words in (['rsync', '-a', f'{self.tree}/', self.synced], ['git', 'init', '-q', '-b', 'main', work],
                      ['git', '-C', work, *me, 'commit', '-q', '--allow-empty', '-m', 'one'], ['git', 'clone', '-q', '--bare', work, self.bare]):
            self.bench.start(*words).well_done()

    def true(self, way):
        return way.start('ssh', way.host, 'true'), lambda result: result.out == b''

    def scp(self, way):
        self.copy.unlink(missing_ok=True)
        return (way.start('scp', '-q', self.small, f'{way.host}:{self.copy}'),
                lambda _: self.copy.read_bytes() == self.small.read_bytes())

    def rsync(self, way):
        return way.start('rsync', '-ai', f'{self.tree}/', f'{way.host}:{self.synced}'), lambda result: result.out == b''

    def git(self, way):
        return way.start('git', 'ls-remote', f'{way.host}:{self.bare}'), lambda result: b'refs/heads/main' in result.out

    def ansible(self, way, **env):
        program = self.bench.packages.tool('ansible')
        return (way.start(program, way.host, '-i', f'{way.host},', '-m', 'ping',
                          env={**ANSIBLE, 'ANSIBLE_PYTHON_INTERPRETER': self.bench.python, **env}),
                lambda result: b'"ping": "pong"' in result.out)

    def pipelining(self, way):
        return self.ansible(way, ANSIBLE_PIPELINING='1')

    def strategy(self, way):
        return self.ansible(way, **mitogen_strategy())


def contestants(bench, round_trip_seconds):
    def alias(name, **options):
        return bench.host_behind(f'{name}-{round_trip_seconds}', round_trip_seconds, **options)
    errands, all_ways = Errands(bench), ways(bench, alias)

    def contestant(name, errand, way, required=True):
        def run():
            process, is_right = errand(way)
            result = process.well_done()
            assert is_right(result), result
            return {'ms': result.seconds * 1e3}
        return Contestant(f'{name}, {way.name}', run, required, [f'{name.partition(" with ")[0]}, {other.name}' for other in all_ways[:2]])

    def each(name, errand, required=True):
        return [contestant(name, errand, way, required) for way in all_ways]
    return [*each('ssh HOST true', errands.true), *each('scp', errands.scp), *each('rsync', errands.rsync),
            *each('git ls-remote', errands.git), *each('ansible -m ping', errands.ansible, False),
            *each('ansible -m ping, pipelining', errands.pipelining, False),
            contestant("ansible -m ping with mitogen's strategy", errands.strategy, all_ways[0], False)]


COLUMNS, RATIOS = [('ms', 'whole process, ms')], ('to ssh', 'to ControlMaster')
JOB = Job(
    'what tools do in an instant, over a connection that is open', COLUMNS, functools.partial(contestants, round_trip_seconds=0),
    f'scp of 3 bytes, rsync of {FILES} files of which none has changed, ls-remote of one branch. ssh alone connects for each; '
    'ControlMaster: the same ssh over a connection that is open; the others: over a session (`hopvine up`), by `hopvine fakessh '
    '-- TOOL` and by tools that are told to use `hopvine ssh`. All through the proxy. ansible without its ControlPersist, which '
    "ControlMaster stands for; mitogen's strategy connects by itself. Budget: less than ControlMaster.",
    rounds=5, needs_ssh=True, ratios=RATIOS)
JOB_100MS = Job(
    'the same, 100 ms there and back', COLUMNS, functools.partial(contestants, round_trip_seconds=ROUND_TRIP_SECONDS),
    'As fakessh_small. Budget: less than ControlMaster.', rounds=5, needs_ssh=True, ratios=RATIOS)
