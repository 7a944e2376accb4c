"""Lines of files that are not here, for tracebacks and inspect in Python 2.4: its linecache asks no loader, and drops what
it does not find on the disk."""
remembered = {}


def remember(file, lines):
    import linecache
    if not remembered:
        check = linecache.checkcache

        def checkcache(filename=None):
            check(filename)
            linecache.cache.update(remembered)
        linecache.checkcache = checkcache
    remembered[file] = linecache.cache[file] = sum([len(line) for line in lines]), None, lines, file
