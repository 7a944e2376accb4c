"""Connections from here: what is sent goes in, and what comes back comes out."""
DIAL = 43


class Dial(Input):
    """One connection, made in a thread of its own and then served by the loop."""
    heard = shut = 0

    def __init__(self, stream, body):
        Input.__init__(self, stream)
        stream.cancel = self.drop
        stream.finish = self.moved
        thread.start_new_thread(self.connect, (load(body)[0],))

    def connect(self, order):
        """Tries all addresses in turn."""
        host, port, fd, said = order['host'], order['port'], None, EMPTY
        try:
            import socket as sockets
            for family, kind, protocol, name, address in sockets.getaddrinfo(host, port, 0, sockets.SOCK_STREAM):
                try:
                    self.socket = sockets.socket(family, kind, protocol)
                    self.socket.connect(address)
                    fd = private(os.dup(self.socket.fileno()))
                    break
                except:
                    why = sys.exc_info()[1]
            else:
                raise why
        except:
            why = reason(sys.exc_info()[1])
            said = utf8('hopvine: connect to %s port %d: ' % (host, port)) + utf8('%s\n' % (why,))
        lock.acquire()
        if self.stream.gone and fd:
            os.close(fd)
            self.socket.close()
        elif fd:
            self.fd = fd
            readers[fd] = self.read
            self.wait()
            os.write(wake, pack('B', 0))
        else:
            self.stream.cancel = self.stream.over
            self.stream.put(ERRORS, said)
            self.stream.put(EXIT, pack('>I', 255 << 8), END)
        lock.release()
        flush()

    def read(self):
        """Takes no more before that has gone out; nothing at all tells that nothing more will come."""
        try:
            data = os.read(self.fd, WINDOW)
        except OSError:
            if sys.exc_info()[1].errno == errno.EAGAIN:
                return
            data = EMPTY
        readers.pop(self.fd)
        self.heard = not data
        lock.acquire()
        self.stream.put(OUTPUT, data)
        self.settle()
        lock.release()

    def moved(self, end):
        """A message has gone out, or one direction has ended; the lock is held."""
        Stream.finish(self.stream, end)
        if self.fd and not self.heard and not self.stream.unsent and self.fd not in readers:
            readers[self.fd] = self.read
            os.write(wake, pack('B', 0))

    def feed(self):
        Input.feed(self)
        lock.acquire()
        self.settle()
        lock.release()

    def broken(self):
        self.shut = 1

    def end(self):
        try:
            self.socket.shutdown(1)
        except:
            # The other end has gone.
            pass
        self.shut = 1

    def settle(self):
        if self.fd and self.heard and self.shut:
            self.hang_up()
            self.stream.cancel = self.stream.over
            self.stream.put(EXIT, pack('>I', 0), END)

    def hang_up(self):
        readers.pop(self.fd, 0)
        writers.pop(self.fd, 0)
        os.close(self.fd)
        self.socket.close()
        self.fd, self.pieces = None, []

    def drop(self):
        """It is not wanted any more; the lock is held."""
        if self.fd:
            self.hang_up()
        self.stream.over()


def reason(error):
    return getattr(error, 'strerror', None) or error.args and error.args[-1] or error


handlers[DIAL] = Dial
