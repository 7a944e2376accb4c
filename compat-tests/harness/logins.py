"""An OpenSSH server that takes our key and writes down each login."""

from .asking_sshd import AskingSshd


class Logins:
    """`alias(name)` leads there; `count()` is how often somebody has logged in, by now."""

    def __init__(self, site):
        keys = site.dir / 'authorized_keys'
        self.server = AskingSshd(site, pam=False, PasswordAuthentication='no', AuthorizedKeysFile=keys)

    def alias(self, name, **options):
        return self.server.alias(name, **{'PubkeyAuthentication': 'yes', **options})

    def count(self):
        return self.server.log.read_text().count('Accepted publickey')

    def close(self):
        self.server.close()
