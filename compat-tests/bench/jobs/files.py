"""Files over ssh: one that is large, and many that are small."""

import itertools
import os
import random

from rounds import Contestant, Job

HOST = 'files'


class Ground:
    """A file and a tree here, and a fresh place for each copy."""

    def __init__(self, bench):
        bench.site.sshd.alias(HOST)
        self.bench = bench
        self.folder = bench.site.dir / 'files'
        self.numbers = itertools.count(1)
        self.file, self.tree, self.copies = (self.folder / name for name in ('file', 'tree', 'copies'))
        if not self.folder.exists():
            self.copies.mkdir(parents=True)
            noise = random.Random(1)
            with open(self.file, 'wb') as file:
                for _ in range(bench.scale.mebibytes):
                    file.write(noise.randbytes(1 << 20))
            for number in range(bench.scale.small_files):
                path = self.tree / str(number // 100) / str(number)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(noise.randbytes(1024))

    def shell(self, line):
        """A copy by a line of shell, in which FILE, TREE, COPY stand for what they are."""
        return self.measured(lambda copy: self.bench.start('sh', '-c', self.filled(line, copy)))

    def hopvine(self, *words):
        return self.measured(lambda copy: self.bench.hopvine(*(self.filled(word, copy) for word in words)))

    def filled(self, text, copy):
        for name, path in ('FILE', self.file), ('TREE', self.tree), ('COPY', copy):
            text = text.replace(name, str(path))
        return text.replace('HOST', HOST)

    def measured(self, start):
        def run():
            copy = self.copies / str(next(self.numbers))
            try:
                seconds = start(copy).well_done().seconds
                assert self.size(copy) in (self.size(self.file), self.size(self.tree)), 'not whole'
            finally:
                # Trees stay to the end: an ext4 without a journal steps over each inode that was freed within the
                # last seconds, and whoever comes next would pay for these.
                if not copy.is_dir():
                    self.bench.start('rm', '-f', copy).well_done()
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
            Contestant('hopvine put', ground.hopvine('put', '-w', HOST, 'FILE', 'COPY'), required=True)]


def fetches(bench):
    ground = Ground(bench)
    return [Contestant("ssh HOST 'cat f' > f", ground.shell("ssh HOST 'cat FILE' > COPY"), required=True),
            Contestant('scp', ground.shell('scp -S "$(command -v ssh)" -q HOST:FILE COPY')),
            Contestant('sftp', ground.shell("echo get FILE COPY | sftp -S \"$(command -v ssh)\" -q -b - HOST >/dev/null")),
            Contestant('rsync -W', ground.shell('rsync -W HOST:FILE COPY')),
            Contestant('hopvine fetch', ground.hopvine('fetch', '-w', HOST, 'FILE', 'COPY'), required=True)]


def trees(bench):
    ground = Ground(bench)
    return [Contestant('tar | ssh HOST tar',
                       ground.shell("tar -C TREE -cf - . | ssh HOST 'mkdir COPY && tar -C COPY -xf -'"), required=True),
            Contestant('rsync -a', ground.shell('rsync -a TREE/ HOST:COPY')),
            Contestant('scp -r', ground.shell('scp -S "$(command -v ssh)" -qr TREE HOST:COPY')),
            Contestant('hopvine put -r', ground.hopvine('put', '-w', HOST, '-r', 'TREE', 'COPY'), required=True),
            Contestant('hopvine fetch -r', ground.hopvine('fetch', '-w', HOST, '-r', 'TREE', 'COPY'), required=True)]


COLUMNS = [('seconds', 'whole process, s')]
PUT = Job('one file of {mebibytes} MiB to a host over ssh', COLUMNS, puts,
          'What cannot be compressed, from the connection on. hopvine compares SHA-1 sums and brings the file to the '
          'disk (fsync); the others do neither. Budget: 1.05 x the first row.', needs_ssh=True)
FETCH = Job('one file of {mebibytes} MiB from a host over ssh', COLUMNS, fetches,
            'As above, the other way.', needs_ssh=True)
TREE = Job('{small_files} files of 1 KiB over ssh', COLUMNS, trees,
           'In folders of 100; from the connection on. hopvine compares a SHA-1 sum for each file.', needs_ssh=True)
