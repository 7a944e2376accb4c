"""Messages while a call goes on: what a generator yields, or what a function sends on the channel that it is given."""
MESSAGE = 23


class Sender:
    """From a call to whoever watches it; nothing comes back on it."""

    def __init__(self, stream):
        self.stream, self.closed = stream, 0
        self.sending = thread.allocate_lock()

    def open(self):
        """Whether what is sent is still wanted: the call goes on, has not been interrupted, and somebody reads."""
        return not (self.closed or self.stream.gone)

    def send(self, value):
        """Brings value at once; waits where those before it have not been taken."""
        self.sending.acquire()
        try:
            if self.closed:
                raise ValueError('the channel is closed')
            part('offer')(self.stream, MESSAGE, dump(value))
        finally:
            self.sending.release()

    def close(self):
        # What another thread sends is on its way before the end is.
        self.sending.acquire()
        self.closed = 1
        self.sending.release()

    def receive(self, *args):
        raise TypeError('this channel only sends: nobody answers who watches')
    __iter__ = receive

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def takes_channel(function):
    """Whether its first parameter is called so; what wraps it is looked through."""
    bound = getattr(function, '__self__', getattr(function, 'im_self', None)) is not None
    while hasattr(function, '__wrapped__'):
        function = function.__wrapped__
    code = getattr(function, '__code__', getattr(function, 'func_code', None))
    return code and code.co_varnames[:code.co_argcount][bound:bound + 1] == ('channel',)


def watch(name, given):
    """Calls what name says."""
    module, path = name.split(':')
    __import__(module)
    function = sys.modules[module]
    for name in path.split('.'):
        function = getattr(function, name)
    args, named = given
    if not takes_channel(function):
        return function(*args, **named)
    channel = Sender(current)
    try:
        result = function(channel, *args, **named)
        if type(result).__name__ == 'generator':
            for item in result:
                channel.send(item)
            result = None
        return result
    finally:
        channel.close()
