"""Messages that user code makes faster than the link takes them."""


def offer(stream, tag, body):
    """Queues a message behind all that has been printed, and waits as long as more than a window of them waits for credit; not in the loop's thread."""
    written()
    stream.put(tag, body)
    lock.release()
    flush()
    while sum([len(message[0]) - message[1] for message in stream.unsent]) > WINDOW:
        readable([], .005)
