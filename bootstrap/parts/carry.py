"""Files between here and a context below: a transfer of this agent's reads or writes them, and one there does the other."""


def carry(child, order, puts, told):
    """Puts or fetches as the order (a dict of local, remote, mode, keep, tree, packed) says; stop() ends it early.
    told(well, dict) is called once."""
    carried = Carried(child, puts, told)
    common = {'tree': order['tree'], 'packed': order['packed'], 'peer': None, 'stream': None}
    there, here = dict(common, path=order['remote']), dict(common, path=order['local'])
    if puts:
        there.update({'mode': order['mode'], 'keep': order['keep']})
        carried.begin(PUT, there, Fetch, here)
    else:
        here.update({'mode': None, 'keep': order['keep']})
        carried.begin(FETCH, there, FetchBelow, here)
    return carried


class FetchBelow(Put):
    """Writes what comes from below."""

    def take_in(self):
        # From a hop's link, not from ours.
        taking.append(self)

    def used(self, size):
        self.wire.led.used(size)


class Carried(Stream):
    """What the transfer here has in the place of its stream: the conversation with the transfer there. `here` and
    `there`: what they have told in the end; `why`: what failed."""
    peer = number = -1
    here = there = why = None

    def __init__(self, child, puts, told):
        self.child, self.puts, self.told = child, puts, told

    def begin(self, tag, there, transfer, here):
        self.led = Led(self.child, self.heard)
        self.led.priority = 2
        self.unsent = self.led.unsent
        self.led.moved = lambda: self.finish(0)
        self.cancel = int
        order = pack('B', tag) + dump(there)
        # Before the first of what is put, and behind whoever takes what is fetched.
        if self.puts:
            self.led.put(order)
            transfer(self, dump(here))
        else:
            transfer(self, dump(here))
            self.led.put(order, END)

    def put(self, tag=0, body=EMPTY, end=0):
        """From the transfer here; the lock is held."""
        if end and tag != RESULT:
            if tag == FAILURE:
                body = utf8(load(body)[0]['message'])
            self.fail(native(body))
            self.here = {}
        elif end:
            self.here = load(body)[0]
            tag, body = CONTENT_UP, EMPTY
        if not self.gone and (self.puts or not end):
            self.led.unsent.append([pack('B', tag - ENTRY_UP + ENTRY_DOWN) + body, 0, end])
            self.led.flow()
        self.settle()

    def heard(self, tag, body, end):
        """From the transfer there, in the loop's thread."""
        if ENTRY_UP <= tag <= SUM_UP and not self.puts:
            return self.handle(tag - ENTRY_UP + ENTRY_DOWN, body, 0)
        lock.acquire()
        if tag == RESULT:
            self.there = body
        elif tag == TROUBLE:
            self.fail(body.decode('utf-8', 'replace'))
        else:
            self.why = self.why or body and type(body) is dict and body
            self.fail('the other end has ended it')
        self.settle()
        lock.release()
        if tag == RESULT and not self.puts:
            self.handle(CONTENT, EMPTY, END)

    def fail(self, text):
        """The lock is held."""
        self.why = self.why or {'kind': 'file', 'message': text, 'hop': None, 'said': []}
        self.gone = 1
        self.cancel()

    def stop(self):
        """It is not wanted any more."""
        lock.acquire()
        self.why = self.why or {'kind': 'interrupted', 'message': 'cancelled', 'hop': None, 'said': []}
        self.fail(None)
        lock.release()

    def settle(self):
        """When both ends are through with it, or either cannot go on, it is over; the lock is held."""
        if self.here is not None and (self.gone or self.there is not None):
            thread.start_new_thread(self.end, (self.told,))
            self.told = lambda *what: None

    def end(self, told):
        if self.gone:
            self.led.cancel()
            return told(False, self.why)
        there = load(self.there)[0]
        result = {'remote_path': there['path'], 'size': self.here['size'], 'sha1sum': self.here['sum'], 'files': self.here['files']}
        if not self.puts:
            result['local_path'] = self.here['path']
        told(True, result)
