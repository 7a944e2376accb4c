"""Calls in a thread of their own, beside those of the main thread."""
CALL_THREAD = 8


def threaded(stream, body):
    thread.start_new_thread(in_thread, (stream, body))


def in_thread(stream, body):
    global current
    reply = 0, EMPTY, END
    if begin(stream):
        # Nothing interrupts a thread but the end of its agent.
        stream.cancel = int
        # Output cannot be told apart by threads; that of a call alone is its own.
        alone = not current
        if alone:
            current = stream
        reply = outcome(stream, body)
        finish(stream)
        written()
        if alone and current is stream:
            current = None
    else:
        finish(stream)
        lock.acquire()
    stream.put(*reply)
    lock.release()
    flush()


handlers[CALL_THREAD] = threaded
