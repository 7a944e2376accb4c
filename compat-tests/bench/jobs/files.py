"""Files over ssh: one that is large, and many that are small."""

import itertools
import contextlib
import os
import pathlib
import random
import time

from harness.leaks import all_pids
from harness.process import exits, peak_bytes
from rounds import Contestant, Job

HOST = 'files'
TITLE = 'bench-of-files'
MANY = 8


class Ground:
    """A file and a tree here, and a fresh place for each copy."""

    numbers = itertools.count(1)  # of one job and of the next: trees of copies stay

    def __init__(self, bench, mebibytes=None):
        mebibytes = mebibytes or bench.scale.mebibytes
        bench.site.sshd.alias(HOST)
        self.bench = bench
        self.folder = bench.site.dir / 'files'
        self.file, self.tree, self.copies = (self.folder / name for name in (f'{mebibytes}MiB', 'tree', 'copies'))
        self.copies.mkdir(parents=True, exist_ok=True)
        noise = random.Random(1)
        if not self.file.exists():
            with open(self.file, 'wb') as file:
                for _ in range(mebibytes):
                    file.write(noise.randbytes(1 << 20))
        if not self.tree.exists():
            for number in range(bench.scale.small_files):
                path = self.tree / str(number // 100) / str(number)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(noise.randbytes(1024))

    def shell(self, line):
        """A copy by a line of shell, in which FILE, TREE, COPY stand for what they are."""
        return self.measured(lambda copy: self.bench.start('sh', '-c', self.filled(line, copy)))

    def hopvine(self, *words):
        return self.measured(lambda copy: self.bench.hopvine(*(self.filled(word, copy) for word in words)))

    def peer(self, name, verb):
        return self.measured(lambda copy: self.bench.peer(name, verb, HOST, str(self.file), str(copy)))

    def filled(self, text, copy):
        for name, path in ('FILE', self.file), ('TREE', self.tree), ('COPY', copy):
            text = text.replace(name, str(path))
        return text.replace('HOST', HOST)

    def place(self):
        return self.copies / str(next(self.numbers))

    def forget(self, copy):
        # Trees stay to the end: an ext4 without a journal steps over each inode that was freed within the
        # last seconds, and whoever comes next would pay for these.
        if not copy.is_dir():
            self.bench.start('rm', '-f', copy).well_done()

    def measured(self, start):
        def run():
            copy = self.place()
            try:
                seconds = start(copy).well_done().seconds
                assert self.size(copy) in (self.size(self.file), self.size(self.tree)), 'not whole'
            finally:
                self.forget(copy)
            return {'seconds': seconds}
        return run

    @staticmethod
    def size(path):
        if path.is_file():
            return path.stat().st_size
        return sum(len(files) for _, _, files in os.walk(path))


def puts(bench):
    ground = Ground(bench)
    return [Contestant("ssh HOST 'cat > f' < f", ground.shell("ssh HOST 'cat > COPY' < FILE"), required=True),
            Contestant('scp', ground.shell('scp -S "$(command -v ssh)" -q FILE HOST:COPY')),
            Contestant('sftp', ground.shell("echo put FILE COPY | sftp -S \"$(command -v ssh)\" -q -b - HOST >/dev/null")),
            Contestant('rsync -W', ground.shell('rsync -W FILE HOST:COPY')),
            Contestant('hopvine put', ground.hopvine('put', '-w', HOST, 'FILE', 'COPY'), required=True),
            Contestant('mitogen', ground.peer('mitogen', 'put')), Contestant('chopsticks', ground.peer('chopsticks', 'put'))]


def fetches(bench):
    ground = Ground(bench)
    return [Contestant("ssh HOST 'cat f' > f", ground.shell("ssh HOST 'cat FILE' > COPY"), required=True),
            Contestant('scp', ground.shell('scp -S "$(command -v ssh)" -q HOST:FILE COPY')),
            Contestant('sftp', ground.shell("echo get FILE COPY | sftp -S \"$(command -v ssh)\" -q -b - HOST >/dev/null")),
            Contestant('rsync -W', ground.shell('rsync -W HOST:FILE COPY')),
            Contestant('hopvine fetch', ground.hopvine('fetch', '-w', HOST, 'FILE', 'COPY'), required=True),
            Contestant('mitogen', ground.peer('mitogen', 'fetch')), Contestant('chopsticks', ground.peer('chopsticks', 'fetch'))]


def trees(bench):
    ground = Ground(bench)
    return [Contestant('tar | ssh HOST tar',
                       ground.shell("tar -C TREE -cf - . | ssh HOST 'mkdir COPY && tar -C COPY -xf -'"), required=True),
            Contestant('rsync -a', ground.shell('rsync -a TREE/ HOST:COPY')),
            Contestant('scp -r', ground.shell('scp -S "$(command -v ssh)" -qr TREE HOST:COPY')),
            Contestant('hopvine put -r', ground.hopvine('put', '-w', HOST, '-r', 'TREE', 'COPY'), required=True),
            Contestant('hopvine fetch -r', ground.hopvine('fetch', '-w', HOST, '-r', 'TREE', 'COPY'), required=True)]


def to_many(bench):
    ground = Ground(bench)
    behind = f'{HOST}/local:c[1-{MANY}]'
    copies = ' '.join(str(number) for number in range(1, MANY + 1))

    def scp(folder):
        # Into the place of one copy, so that as much is written.
        line = f'printf "%s\\n" {copies} | xargs -P{MANY} -I{{}} scp -S "$(command -v ssh)" -q FILE HOST:COPY.{{}} && mv COPY.1 COPY && rm COPY.*'
        return bench.start('sh', '-c', ground.filled(line, folder))
    return [Contestant(f'{MANY} scp at once', ground.measured(scp), required=True),
            Contestant('hopvine put, Python relay', ground.hopvine('put', '-w', behind, '--relay', 'python', 'FILE', 'COPY'), required=True),
            Contestant('hopvine put, native relay', ground.hopvine('put', '-w', behind, '--relay', 'native', 'FILE', 'COPY'), required=True)]


def memories(bench):
    ground = Ground(bench)

    def run(*words):
        def measured():
            copy = ground.copies / 'copy'
            process = bench.hopvine(*(ground.filled(word, copy) for word in words), '--name', TITLE)
            peaks = {}
            while process.popen.poll() is None:
                exits(process.pid, time.monotonic() + 0.01)
                peaks.update(peaks_of(process.pid))
            process.well_done()
            bench.start('rm', '-rf', copy).well_done()
            controller = peaks.pop(process.pid)
            others = sorted((peak for peak in peaks.values()), reverse=True)
            return {'controller_mb': controller, 'relay_mb': others[1] if len(others) > 1 else 0, 'agent_mb': others[0]}
        return measured
    way = ['-w', 'local:r/local:c']
    return [Contestant('put, Python relay', run('put', *way, '--relay', 'python', 'FILE', 'COPY'), required=True),
            Contestant('fetch, Python relay', run('fetch', *way, '--relay', 'python', 'FILE', 'COPY'), required=True),
            Contestant('put, native relay', run('put', *way, '--relay', 'native', 'FILE', 'COPY'), required=True),
            Contestant('fetch, native relay', run('fetch', *way, '--relay', 'native', 'FILE', 'COPY'), required=True)]


def peaks_of(controller):
    """The most that each of its processes has held so far, in MiB; watchdogs, which hold little, count too."""
    peaks = {}
    for pid in [controller, *all_pids()]:
        with contextlib.suppress(OSError, ValueError, LookupError, StopIteration):
            if pid == controller or TITLE.encode() in pathlib.Path(f'/proc/{pid}/cmdline').read_bytes():
                peaks[pid] = peak_bytes(pid) / (1 << 20)
    return peaks


COLUMNS = [('seconds', 'whole process, s')]
PUT = Job('one file of {mebibytes} MiB to a host over ssh', COLUMNS, puts,
          'What cannot be compressed, from the connection on. hopvine compares SHA-1 sums and brings the file to the '
          'disk (fsync); the others do neither. Budget: 1.05 x the first row, which is not met: on two cores ssh and sshd take '
          'both for their ciphers (0.7 to 1.0 s), and SHA-1 at both ends, checksums of frames and the copies between them '
          'stand in line for the same cores (over `local:`, n = 4, once: controller 0.33 s, agent 0.44 s of processor time).', needs_ssh=True)
FETCH = Job('one file of {mebibytes} MiB from a host over ssh', COLUMNS, fetches,
            'As above, the other way (over `local:`, n = 4, once: controller 0.52 s, agent 0.41 s).', needs_ssh=True)
TREE = Job('{small_files} files of 1 KiB over ssh', COLUMNS, trees,
           'In folders of 100; from the connection on. hopvine compares a SHA-1 sum for each file.', needs_ssh=True)
MULTICAST = Job(f'one file of {{mebibytes}} MiB to {MANY} contexts behind one relay over ssh', COLUMNS, to_many,
                'Each writes it to the disk. scp has a connection for each; hopvine has one, which the file crosses once.',
                rounds=3, needs_ssh=True)
FILES_MEMORY = Job('the most that a file of {mebibytes} MiB takes of memory on its way',
                   [('controller_mb', 'controller, MiB'), ('relay_mb', 'relay or agent, the smaller, MiB'), ('agent_mb', 'the larger, MiB')],
                   memories, 'VmHWM, looked at each 10 ms; what a program and Python are themselves is in it.', rounds=3)
