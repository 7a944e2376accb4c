"""Credit for what has been used up, by any thread."""


class Spender(object):
    """One that uses up what its `exchange` brings, perhaps before that is known here: messages may overtake it."""

    exchange = None

    def used(self, size):
        """So many bytes have been used up."""
        # Each is taken out by one thread: a sum of several could be lost, or given twice.
        spent = self.__dict__.setdefault('spent', [])
        spent.append(size)
        while spent and self.exchange is not None:
            try:
                size = spent.pop()
            except IndexError:
                return
            self.exchange.used(size)
