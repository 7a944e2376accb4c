"""What is there: facts() is a dict of plain values. What cannot be known is None, and nothing fails.

Files and socket calls only: no program is started, nothing is sent, nothing is written. Modules are
imported within the functions, which run in the main thread, and never while the part is read.
"""


def facts():
    """Every public method of Facts, by its name."""
    found = {}
    for name in dir(Facts):
        if name[:1] != '_':
            found[name] = attempt(getattr(Facts(), name))
    return found


def attempt(function, *args):
    try:
        return function(*args)
    except KeyboardInterrupt:
        raise
    except Exception:
        return None


def file_text(path):
    """The first MiB of a file, or an empty text."""
    try:
        source = open(path, 'rb')
    except EnvironmentError:
        return ''
    try:
        return source.read(1 << 20).decode('utf-8', 'replace')
    finally:
        source.close()


def first_word(path):
    return (file_text(path).split() or [None])[0]


class Facts:
    """Each public method is one fact; one that raises is None."""

    def hostname(self):
        return os.uname()[1]

    def arch(self):
        return os.uname()[4]

    def kernel(self):
        name, host, release, version, arch = os.uname()
        return {'name': name, 'release': release, 'version': version}

    def os(self):
        release = attempt(self._os_release) or attempt(self._older_release) or {}
        return {
            'name': release.get('NAME'),
            'id': release.get('ID'),
            'like': (release.get('ID_LIKE') or '').split(),
            'version': release.get('VERSION_ID'),
            'codename': release.get('VERSION_CODENAME'),
        }

    def _os_release(self):
        fields = {}
        for line in (file_text('/etc/os-release') or file_text('/usr/lib/os-release')).splitlines():
            pair = line.split('=', 1)
            if len(pair) == 2 and pair[0][:1] != '#':
                fields[pair[0].strip()] = pair[1].strip().strip('"\'') or None
        return fields

    def _older_release(self):
        """What there was before os-release: "CentOS release 5.11 (Final)", "3.18.4"."""
        for name in 'centos', 'redhat', 'SuSE':
            words = file_text('/etc/%s-release' % name).split('\n')[0].split()
            numbers = [word for word in words if word[:1].isdigit()]
            if numbers:
                title = ' '.join(words[:words.index(numbers[0])]).replace(' release', '')
                return {'NAME': title, 'ID': name.lower(), 'VERSION_ID': numbers[0]}
        for path, title in ('/etc/alpine-release', 'Alpine Linux'), ('/etc/debian_version', 'Debian GNU/Linux'):
            version = first_word(path)
            if version:
                return {'NAME': title, 'ID': title.split()[0].lower(), 'VERSION_ID': version}
        name, host, release = os.uname()[:3]
        if name != 'Linux':
            return {'NAME': name, 'ID': name.lower(), 'VERSION_ID': release}

    def cpus(self):
        return os.sysconf('SC_NPROCESSORS_ONLN')

    def load(self):
        """By minutes."""
        return dict(zip(('1', '5', '15'), os.getloadavg()))

    def memory_bytes(self):
        sizes = {}
        for line in file_text('/proc/meminfo').splitlines():
            words = line.split()
            if words[2:] == ['kB']:
                sizes[words[0].rstrip(':')] = int(words[1]) * 1024
        available = sizes.get('MemAvailable')
        if available is None and sizes:
            # Kernels before 3.14 leave the sum to their readers.
            available = sizes.get('MemFree', 0) + sizes.get('Buffers', 0) + sizes.get('Cached', 0)
        total = sizes.get('MemTotal') or attempt(self._pages, 'SC_PHYS_PAGES')
        return {
            'total': total,
            'available': available or attempt(self._pages, 'SC_AVPHYS_PAGES'),
            'swap': sizes.get('SwapTotal'),
            'limit': attempt(self._memory_limit, total),
        }

    def _pages(self, name):
        return os.sysconf(name) * os.sysconf('SC_PAGE_SIZE')

    def _memory_limit(self, total):
        """What a container may use, where that is less than there is."""
        for name in 'memory.max', 'memory/memory.limit_in_bytes':
            limit = first_word('/sys/fs/cgroup/' + name) or ''
            if limit.isdigit() and int(limit) < total:
                return int(limit)

    def uptime_seconds(self):
        return float(first_word('/proc/uptime'))

    def user(self):
        uid, gid = os.geteuid(), os.getegid()
        entry = attempt(self._entry, uid) or [None] * 7
        groups = [gid]
        for group in attempt(os.getgroups) or []:
            if group not in groups:
                groups.append(group)
        return {
            'name': entry[0],
            'uid': uid,
            'gid': gid,
            'groups': [attempt(self._group, group) or str(group) for group in groups],
            'home': entry[5] or os.environ.get('HOME'),
            'shell': entry[6] or None,
        }

    def _entry(self, uid):
        import pwd
        return pwd.getpwuid(uid)

    def _group(self, gid):
        import grp
        return grp.getgrgid(gid)[0]

    def is_root(self):
        return os.geteuid() == 0

    def addresses(self):
        """All but the loopback's own, by interface."""
        if os.uname()[0] != 'Linux':
            return None
        found = {}
        for interface, shown in (attempt(self._addresses4) or []) + (attempt(self._addresses6) or []):
            if shown[:4] != '127.' and shown != '::1':
                found.setdefault(interface, []).append(shown)
        return found

    def _addresses4(self):
        """SIOCGIFCONF fills an array of struct ifreq: a name, and a socket address in a union."""
        import _socket
        import array
        size = 24 + 2 * struct.calcsize('L')
        space = array.array('B', [0]) * (size * 2000)
        probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        try:
            filled = fcntl.ioctl(probe.fileno(), 0x8912, pack('iP', len(space), space.buffer_info()[0]))
        finally:
            probe.close()
        used = unpack('i', filled[:4])[0]
        data = pack('%dB' % used, *space[:used])
        found = []
        for at in range(0, used, size):
            name = data[at:at + 16].decode('utf-8', 'replace').split('\0')[0]
            # A second address may have a label of its own, eth0:1.
            found.append((name.split(':')[0], _socket.inet_ntoa(data[at + 20:at + 24])))
        return found

    def _addresses6(self):
        rows = [line.split() for line in file_text('/proc/net/if_inet6').splitlines()]
        return [(row[5], self._address6(row[0])) for row in rows]

    def _address6(self, digits):
        import _socket
        parts = [int(digits[at:at + 4], 16) for at in range(0, 32, 4)]
        return _socket.inet_ntop(_socket.AF_INET6, pack('>8H', *parts))

    def ip(self):
        """The address that reaches outward; where nothing does, the first that there is.

        A connected datagram socket knows its source and has sent nothing. The destinations are root
        name servers: nobody routes those anywhere but outward.
        """
        import _socket
        for family, outward in (_socket.AF_INET, '198.41.0.4'), (_socket.AF_INET6, '2001:503:ba3e::2:30'):
            shown = attempt(self._source, family, outward)
            if shown:
                return shown
        found = self.addresses() or {}
        for interface in sorted(found):
            return found[interface][0]

    def _source(self, family, outward):
        import _socket
        probe = _socket.socket(family, _socket.SOCK_DGRAM)
        try:
            probe.connect((outward, 53))
            return probe.getsockname()[0]
        finally:
            probe.close()

    def default_route(self):
        """Of the lowest metric; IPv6 only where IPv4 has none."""
        for everywhere in '0.0.0.0/0', '::/0':
            found = [route for route in self.routes() if route['destination'] == everywhere]
            found.sort(key=lambda route: route['metric'])
            if found:
                return {'gateway': found[0]['gateway'], 'interface': found[0]['interface']}

    def routes(self):
        """The first 500."""
        if os.uname()[0] != 'Linux':
            return None
        return ((attempt(self._routes4) or []) + (attempt(self._routes6) or []))[:500]

    def _routes4(self):
        import _socket
        found = []
        for line in file_text('/proc/net/route').splitlines()[1:]:
            row = line.split()
            # Up, and not there to reject; a black hole has no interface.
            if len(row) < 8 or int(row[3], 16) & 0x201 != 1 or row[0] == '*':
                continue
            # Addresses are shown as numbers, as they lie in the memory of that machine.
            there, gateway = [_socket.inet_ntoa(pack('=I', int(digits, 16))) for digits in row[1:3]]
            mask = int(row[7], 16)
            length = len([bit for bit in range(32) if mask >> bit & 1])
            found.append(self._route('%s/%d' % (there, length), gateway, row[0], int(row[6])))
        return found

    def _routes6(self):
        found = []
        for line in file_text('/proc/net/ipv6_route').splitlines():
            row = line.split()
            # Up; neither there to reject, nor an address of this machine, nor multicast.
            if len(row) == 10 and int(row[8], 16) & 0x80100201 == 1 and row[0][:2] != 'ff':
                there = '%s/%d' % (self._address6(row[0]), int(row[1], 16))
                found.append(self._route(there, self._address6(row[4]), row[9], int(row[5], 16)))
        return found

    def _route(self, destination, gateway, interface, metric):
        if gateway in ('0.0.0.0', '::'):
            gateway = None
        return {'destination': destination, 'gateway': gateway, 'interface': interface, 'metric': metric}

    def python(self):
        prefix = sys.prefix
        # An agent starts without site, which would have found this out.
        place = os.path.dirname(os.path.dirname(sys.executable))
        if os.path.exists(os.path.join(place, 'pyvenv.cfg')):
            prefix = place
        name = getattr(getattr(sys, 'implementation', None), 'name', 'cpython')
        if hasattr(sys, 'pypy_version_info'):
            name = 'pypy'
        return {
            'version': '%d.%d.%d' % sys.version_info[:3],
            'executable': sys.executable or None,
            'implementation': name,
            'prefix': prefix,
            'bits': struct.calcsize('P') * 8,
        }

    def init(self):
        if os.path.isdir('/run/systemd/system'):
            return 'systemd'
        return file_text('/proc/1/stat').split('(', 1)[1].split(')')[0]

    def container(self):
        """The engine of the container that this is, as far as it can be seen from within."""
        known = first_word('/run/systemd/container') or os.environ.get('container')
        for field in file_text('/proc/1/environ').split('\0'):
            if field[:10] == 'container=':
                known = known or field[10:]
        if known:
            return known
        for path, name in [('/var/run/secrets/kubernetes.io', 'kubernetes'), ('/run/.containerenv', 'podman'),
                           ('/.dockerenv', 'docker')]:
            if os.path.exists(path):
                return name
        groups = file_text('/proc/self/cgroup')
        for path, name in [('/kubepods', 'kubernetes'), ('/libpod-', 'podman'), ('/docker/', 'docker'),
                           ('/docker-', 'docker'), ('/lxc/', 'lxc'), ('/lxc.payload', 'lxc')]:
            if path in groups:
                return name
        if os.path.exists('/proc/vz') and not os.path.exists('/proc/bc'):
            return 'openvz'
        if 'microsoft' in os.uname()[2].lower():
            return 'wsl'

    def time(self):
        import time
        return time.time()

    def timezone(self):
        import time
        summer = time.localtime()[8] > 0
        return {'name': time.tzname[summer], 'offset_seconds': -(time.timezone, time.altzone)[summer]}

    def locale(self):
        """What the environment asks for. LC_CTYPE may be the interpreter's own: it replaces "C" there."""
        for name in 'LC_ALL', 'LANG':
            if os.environ.get(name):
                return os.environ[name]

    def encoding(self):
        """Of file names, in this interpreter."""
        return sys.getfilesystemencoding()

    def path(self):
        return os.environ.get('PATH')

    def selinux(self):
        mode = first_word('/sys/fs/selinux/enforce') or first_word('/selinux/enforce')
        return {'1': 'enforcing', '0': 'permissive'}.get(mode)
