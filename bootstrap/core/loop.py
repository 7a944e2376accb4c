"""The start, the loop and the end of an agent."""
data = EMPTY
silence = 0


def leave(status):
    """Ends this process and every descendant."""
    try:
        # This raises where there is no child.
        os.waitpid(-1, os.WNOHANG)
        children = {}
        for pid in os.listdir('/proc'):
            try:
                parent = open('/proc/%s/stat' % pid, 'rb').read().decode('latin-1').split(')')[-1].split()[1]
                children.setdefault(parent, []).append(pid)
            except EnvironmentError:
                pass
        doomed = [str(os.getpid())]
        for pid in doomed:
            doomed += children.get(pid, [])
        for pid in doomed[1:]:
            try:
                os.kill(int(pid), 9)
            except EnvironmentError:
                pass
    finally:
        os._exit(status)


def exactly(size):
    """That many bytes of what the start command has left unread."""
    data = EMPTY
    while len(data) < size:
        data += os.read(0, size - len(data)) or leave(1)
    return data


def rename(title):
    """Writes title over the arguments that ps shows; where that fails, starts this interpreter again under it."""
    try:
        stat = open('/proc/self/stat').read().split(')')[-1].split()
        start, end = int(stat[45]), int(stat[46])
        memory = os.open('/proc/self/mem', os.O_RDWR)
        os.lseek(memory, start, 0)
        os.write(memory, title[:end - start - 1].ljust(end - start, pack('B', 0)))
        os.close(memory)
    except (EnvironmentError, IndexError):
        feed, saved = os.pipe()
        os.write(saved, start_core + hello)
        os.dup2(feed, 9)
        os.execv(sys.executable, [title, '-SEc', '''import sys
del sys.path[0]
import os,zlib
s=os.read(9,%d)
c=sys.modules['hopvine_core']=type(sys)('hopvine_core')
c.hello=os.read(9,99999)
os.close(9)
sys.executable=%r
exec(zlib.decompress(s,-15),c.__dict__)''' % (len(start_core), sys.executable)])


def take():
    """What has come over the link."""
    global data, silence
    silence = 0
    data = frames(data + (os.read(link, WINDOW) or leave(1)), receive)


def loop():
    """All but the calls: the link, the standard streams, and what parts watch."""
    global silence
    while 1:
        wanted = list(readers)
        lock.acquire()
        for fd in taps:
            if not target(fd) or not target(fd).unsent:
                wanted.append(fd)
        lock.release()
        pause = keepalive
        if jobs:
            pause = .002
        try:
            readable, writable, broken = select.select(wanted, list(writers), [], pause)
        except select.error:
            # Interrupted, or a tap has just been closed; but without the link there is no going on.
            os.fstat(link)
            continue
        silence += pause == keepalive and not readable + writable
        if silence > 3:
            leave(1)
        for fd in readable:
            if fd in readers:
                readers[fd]()
        for fd in writable:
            if fd in writers:
                writers[fd]()
        lock.acquire()
        for fd in readable:
            if fd in taps:
                tap(fd)
        lock.release()
        flush()


def calls():
    while 1:
        while not jobs:
            work.acquire()
        job, args = jobs.pop(0)
        job(*args)


def guarded(run):
    try:
        try:
            run()
        except:
            os.write(last_words, utf8('hopvine agent: %r\n' % (sys.exc_info()[1],)))
    finally:
        leave(1)


def greet(kind, flags, to, source, number, body):
    """The parent's HELLO, the first frame: who we are, whom we obey, how we are called."""
    global me, keepalive, ancestors
    version, me, keepalive, nonce, count = unpack('>HII16sQ', body[:34])
    keepalive *= .001
    ancestors = unpack('>%dI' % count, body[34:34 + 4 * count])
    if not resumed:
        rename(body[42 + 4 * count:])
    outbox.append(nonce[::-1] + frame(HELLO, 0, source, 0, pack('>HII', 1, os.getpid(), sys.hexversion)))


resumed = 'hello' in globals()
if not resumed:
    start_core = sys.modules['__main__'].s
    hello = exactly(22)
    hello += exactly(unpack('>H', hello[2:4])[0])
frames(hello, greet)
link, link_out = private(0), private(1)
null = 0
while null < 3:
    null = os.open('/dev/null', os.O_RDWR)
last_words = private(2)
os.dup2(null, 0)
for fd, tag in (1, OUTPUT), (2, ERRORS):
    got, feed = os.pipe()
    os.dup2(feed, fd)
    os.close(feed)
    taps[private(got)] = tag, None
os.close(null)
sys.stdout, sys.stderr = lines(1), lines(2)
got, feed = os.pipe()
woken, wake = private(got), private(feed)
readers[link] = take
readers[woken] = lambda: os.read(woken, 99)
sys.meta_path.append(Misses())
flush()
work.acquire()
thread.start_new_thread(guarded, (loop,))
guarded(calls)
