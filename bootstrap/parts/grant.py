"""Tunnels that code has been given as arguments: files go to them and come from them, and nothing else can be asked there."""
JOIN = 40
arrivals = globals().setdefault('arrivals', {})


class Granted(object):
    """The other end of a tunnel of the script's, by the name that it has there. Its files pass no higher than the nearest
    context above both."""

    def __init__(self, token, host):
        self.token, self.host = token, str_of(host)

    def put(self, local_path, remote_path=None, mode=None, keep=False, recursive=False, compress=False):
        """Copies a file from here to there; returns a dict of remote_path, size, sha1sum."""
        return self.move(True, os.path.abspath(local_path), remote_path, mode, keep, recursive, compress)

    def fetch(self, remote_path, local_path=None, keep=False, recursive=False, compress=False):
        """Copies a file from there to here; returns a dict of local_path, size, sha1sum."""
        if local_path is not None:
            local_path = os.path.abspath(local_path)
        told = self.move(False, remote_path, local_path, None, keep, recursive, compress)
        told['local_path'] = told.pop('remote_path')
        return told

    def move(self, put, source, path, mode, keep, recursive, compress):
        answer = ask(JOIN, dump({
            'token': self.token, 'put': put, 'from': source, 'path': path, 'mode': mode,
            'keep': bool(keep), 'tree': bool(recursive), 'packed': bool(compress)}))
        if not answer:
            raise IOError(errno.EPIPE, 'the script above takes no such request')
        well, told = load(answer[1])[0]
        if not well:
            raise IOError(errno.EIO, told['message'], self.host)
        return told

    def __getattr__(self, name):
        raise AttributeError('%s: %s() is not for a tunnel that was given as an argument: files can be put and fetched; '
                             'call it from where it was opened' % (self.host, name))

    def __reduce__(self):
        error = getattr(sys.modules.get('hopvine.errors'), 'Unsendable', TypeError)
        raise error('%s: a tunnel that was given as an argument goes no further than the function that was given it; '
                    'have the script call with it, or move the files from here' % self.host)

    def __repr__(self):
        return 'Granted(%r)' % (self.host,)


arrivals['grant'] = grant = Granted
