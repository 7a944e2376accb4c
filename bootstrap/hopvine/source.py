"""Where definitions are in the text of a program: the statement of a function or class, and the names that it uses."""
import __future__
import linecache
import re
import symtable
import tokenize

from hopvine.names import PYTHON_2

try:
    from hashlib import sha1
except ImportError:
    from sha import new as sha1

# Scopes that are run where they stand, as functions are not.
AT_ONCE = ('genexpr', 'listcomp', 'setcomp', 'dictcomp', 'lambda')
SKIPPED = (tokenize.NL, tokenize.COMMENT)
UNSEEN = ('PUSH_NULL', 'CACHE', 'PRECALL', 'EXTENDED_ARG', 'NOP')
FACTORY = 'hopvine_factory'
outlines = {}
# The lines of texts that are in no file, beside what linecache has: it would show them in tracebacks.
texts = {}
decoded = {}
statements = {}


class NoSource(Exception):
    """Why the source of something cannot be had."""


class Statement:
    """A function, a lambda, or a statement at the top, as text that makes it elsewhere.

    `rows` are the lines of the file from `first` on. What is compiled is `head` and `body`, or `head` and `rows` where
    that is empty; the last line of `head` stands before `first`. `hard` are the global names that are looked up when
    the statement is run, `soft` those of when what it makes is called; `names` all that may be an attribute too.
    """

    told = None

    def __init__(self, file, first, rows, head, body, futures):
        self.file, self.first, self.rows, self.head, self.body, self.futures = file, first, rows, head, body, futures

    def text(self):
        return self.head + (self.body or self.rows)

    def compiled(self):
        flags = 0
        for name in self.futures:
            flags |= getattr(__future__, name).compiler_flag
        above = self.first - 1 - self.head.count('\n')
        return compile('\n' * above + self.text(), self.file, 'exec', flags, 1)

    def plain(self):
        """As the other end is told."""
        return self.file, self.first, self.rows, self.head, self.body, self.futures

    def digest(self):
        if self.told is None:
            self.told = sha1(repr(self.plain()).encode('utf-8')).digest()
        return self.told

    def tables(self):
        """The names of each scope."""
        text = self.text()
        if self.futures:
            text = 'from __future__ import %s\n%s' % (', '.join(self.futures), text)
        return symtable.symtable(source_of(text), self.file, 'exec')


def source_of(text):
    """As this Python's compiler takes it: text, but for symtable of Python 2."""
    if PYTHON_2 and not isinstance(text, str):
        return text.encode('utf-8')
    return text


def attribute(function, name):
    """What Python 2.4 has as func_NAME, and those from 2.6 on as __NAME__."""
    if hasattr(function, 'func_' + name):
        return getattr(function, 'func_' + name)
    return getattr(function, '__%s__' % name)


def keep(name, data):
    """The bytes of a program that is in no file."""
    if PYTHON_2:
        texts[name] = data.splitlines(True)
        return
    import io
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        texts[name] = io.TextIOWrapper(io.BytesIO(data), encoding, 'replace').readlines()
    except SyntaxError:
        # Python itself will say so.
        pass


def lines_of(file, space, code=None):
    """The lines of a file as text; none where nobody knows them."""
    lines = linecache.getlines(file, space) or texts.get(file, [])
    if code and not lines and hasattr(linecache, '_getlines_from_code'):
        # What is typed at the prompt of Python 3.14.
        lines = linecache._getlines_from_code(code)
    if not PYTHON_2:
        return lines
    if file not in decoded or decoded[file][0] is not lines:
        encoding = 'utf-8'
        for line in lines[:2]:
            found = re.match(r'[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)', line)
            if found:
                encoding = found.group(1)
        kept = []
        for line in lines:
            if isinstance(line, str):
                line = line.decode(encoding, 'replace')
            kept.append(line)
        decoded[file] = lines, kept
    return decoded[file][1]


def tokens(rows):
    """Those of these lines, as far as they can be told apart."""
    rows = rows[::-1]
    try:
        for token in tokenize.generate_tokens(lambda: rows and rows.pop() or ''):
            yield token[0], token[1], token[2], token[3]
    except (tokenize.TokenError, SyntaxError):
        pass


def last_row(lines, first):
    """The last line of the statement that begins in line `first`, decorators included."""
    last = first - 1
    depth = 0
    base = None
    header = fresh = True
    for kind, word, begin, end in tokens(lines[first - 1:]):
        if kind == tokenize.INDENT:
            depth += 1
        elif kind == tokenize.DEDENT:
            depth -= 1
            if not header and depth <= base:
                break
        elif kind == tokenize.NEWLINE:
            last = first - 1 + begin[0]
            fresh = True
        elif kind == tokenize.ENDMARKER:
            break
        elif kind not in SKIPPED and fresh:
            fresh = False
            if base is None:
                base = depth
            if not header and depth <= base:
                break
            header = header and word == '@'
    return last


def outline(file, space):
    """Returns [(name, first line, its last, depth, how it begins)] of what is defined there by class, def or =."""
    lines = lines_of(file, space)
    if file in outlines and outlines[file][0] is lines:
        return outlines[file][1]
    found = []
    words = []
    depth, decorators = 0, None
    for kind, word, begin, end in tokens(lines):
        if kind == tokenize.INDENT:
            depth += 1
        elif kind == tokenize.DEDENT:
            depth -= 1
        elif kind == tokenize.NEWLINE:
            how = None
            first = words and words[0][1] or begin[0]
            texts = [word for word, row in words]
            if texts[:1] == ['async']:
                del texts[0]
            if texts[:1] in (['class'], ['def']):
                how, name = texts[0], texts[1]
            elif texts[1:2] == ['=']:
                how, name = '=', texts[0]
            if texts[:1] == ['@']:
                decorators = decorators or first
            else:
                if how:
                    if decorators:
                        how = '@' + how
                    found.append((name, decorators or first, depth, how))
                decorators = None
            words = []
        elif kind not in SKIPPED and len(words) < 4:
            words.append((word, begin[0]))
    outlines[file] = lines, found
    return found


def files_of(space):
    """The files that a namespace may have been made from: its own, then prompts and notebook cells, the newest first."""
    found = []
    if space.get('__file__'):
        found.append(space['__file__'])
    cells = [file for file in list(linecache.cache)
             if len(linecache.cache[file]) > 1 and linecache.cache[file][1] is None and file not in found]
    return found + list(texts) + cells[::-1]


def futures_of(flags, space):
    """What was imported from __future__: seen in the flags of code, and by its names where a newer Python needs none."""
    kind = __future__.division.__class__
    return [name for name in __future__.all_feature_names if isinstance(space.get(name), kind)
            or name != 'nested_scopes' and flags & getattr(__future__, name).compiler_flag]


def same(one, other):
    """Whether two code objects do the same; where their lines are does not matter."""
    for name in ('co_names', 'co_varnames', 'co_freevars', 'co_cellvars', 'co_argcount'):
        if getattr(one, name) != getattr(other, name):
            return False
    if len(one.co_consts) != len(other.co_consts) or one.co_code != other.co_code and steps(one) != steps(other):
        return False
    for a, b in zip(one.co_consts, other.co_consts):
        if type(a) is not type(b) or type(a) is type(one) and not same(a, b):
            return False
        if type(a) not in (type(one), frozenset) and told(a) != told(b):
            return False
    return True


def steps(code):
    """What code does, without how: from 3.11 on a method is called in another way where its module is imported in view."""
    if PYTHON_2:
        return code.co_code
    import dis
    found = []
    for step in dis.get_instructions(code):
        name, value = step.opname.replace('METHOD', 'ATTR'), step.argval
        if 'JUMP' in name or 'ITER' in name or 'SEND' in name or type(value) is type(code):
            value = None
        if name not in UNSEEN:
            found.append((name, repr(value)))
    return found


def told(const):
    """What a constant is; of the path to a nested function, the last part."""
    return repr(const).split('.<locals>.')[-1]


def codes(code):
    """All code objects in this one, the outermost first."""
    found = [code]
    for each in found:
        found += [const for const in each.co_consts if type(const) is type(code)]
    return found


def of_function(function):
    """Returns the Statement of a function or lambda, whose code is to be taken from what it compiles to."""
    code = attribute(function, 'code')
    key = code.co_filename, code.co_firstlineno, code
    if key in statements:
        return statements[key]
    lines = lines_of(code.co_filename, attribute(function, 'globals'), code)
    first = code.co_firstlineno
    if len(lines) < first:
        raise NoSource(no_lines(code.co_filename))
    futures = futures_of(code.co_flags, attribute(function, 'globals'))
    if code.co_name == '<lambda>':
        statement = of_lambda(lines, code, futures)
    else:
        statement = of_def(lines, code, futures)
    if statement is None:
        raise NoSource('%s, line %d, is no longer what it was made from' % (code.co_filename, first))
    statements[key] = statement
    return statement


def no_lines(file):
    if file[:1] == '<':
        return 'it has no source: it was typed, or made by exec, where nobody keeps the text (put it in a file, or ' \
               'start the program or the prompt by "hopvine py")'
    return 'its source, %s, cannot be read' % file


def of_def(lines, code, futures):
    first = code.co_firstlineno
    rows = ''.join(lines[first - 1:last_row(lines, first)])
    if rows[-1:] != '\n':
        rows += '\n'
    head = ''
    if rows[:1] in ' \t\f':
        head = 'def %s(%s):\n' % (FACTORY, ', '.join(code.co_freevars))
    statement = Statement(code.co_filename, first, rows, head, '', futures)
    return checked(statement, code, code.co_name)


def of_lambda(lines, code, futures):
    """Tries each end that each lambda of its line may have: brackets and commas alone do not tell."""
    first = code.co_firstlineno
    head = 'def %s(%s): return (' % (FACTORY, ', '.join(code.co_freevars))
    for found in re.finditer(r'\blambda\b', lines[first - 1]):
        rows = ['(' + lines[first - 1][found.start():]] + lines[first:]
        level = heads = 0
        for kind, word, begin, end in tokens(rows):
            if word in ('(', '[', '{') and kind == tokenize.OP:
                level += 1
            elif word in (')', ']', '}') and kind == tokenize.OP:
                level -= 1
            if level < 1:
                break
            if level > 1 or kind in SKIPPED:
                continue
            if word == 'lambda':
                heads += 1
            elif word == ':':
                heads -= 1
            elif word == ',' and not heads:
                break
            row, column = end
            body = ''.join(rows[:row - 1] + [rows[row - 1][:column]])[1:] + '\n)\n'
            shown = ''.join(lines[first - 1:first - 1 + row])
            statement = Statement(code.co_filename, first, shown, head, body, futures)
            if checked(statement, code, 'lambda'):
                return statement


def checked(statement, code, name):
    """Returns the statement, with its names, if that code comes of it."""
    try:
        compiled = statement.compiled()
    except (SyntaxError, ValueError):
        return None
    for each in codes(compiled):
        if each.co_name == code.co_name and parameters(each) == parameters(code):
            break
    if not same(each, code):
        return None
    statement.hard = set()
    statement.soft = set()
    queue = [statement.tables()]
    for table in queue:
        if table.get_type() == 'function' and table.get_name().strip('<>') == name:
            gather(table, statement.soft, statement.soft)
            break
        queue += table.get_children()
    statement.names = attributes(each)
    return statement


def parameters(code):
    """Their names tell a lambda from one in its own defaults."""
    return code.co_varnames[:code.co_argcount]


def attributes(code):
    names = set()
    for each in codes(code):
        names.update(each.co_names)
    return names


def gather(table, hard, soft):
    """Adds the global names of a scope: to `hard` what it looks up when it is run, to `soft` what functions in it do."""
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (
                symbol.is_global() or table.get_type() == 'module' or table.get_type() == 'class' and symbol.is_local()):
            hard.add(symbol.get_name())
    for child in table.get_children():
        if child.get_type() == 'function' and child.get_name().strip('<>') not in AT_ONCE:
            gather(child, soft, soft)
        else:
            gather(child, hard, soft)


def at_top(name, space, hows, around=None):
    """Returns the Statement that defines a name at the top of a namespace, or None. `hows`: class, def, @class, @def or =;
    `around`: a file and the lines of which one has to be in it."""
    files = files_of(space)
    if around:
        files = [around[0]]
    for file in files:
        found = [(first, depth) for each, first, depth, how in outline(file, space) if each == name and how in hows]
        lines = lines_of(file, space)
        spans = [(depth, -first, last_row(lines, first)) for first, depth in found]
        if around and around[1]:
            spans = [span for span in spans if [row for row in around[1] if -span[1] <= row <= span[2]]]
        if spans:
            depth, first, last = min(spans)
            return top_statement(file, lines, -first, last, space)
    return None


def top_statement(file, lines, first, last, space):
    rows = ''.join(lines[first - 1:last])
    if rows[-1:] != '\n':
        rows += '\n'
    head = ''
    if rows[:1] in ' \t\f':
        head = 'if 1:\n'
    statement = Statement(file, first, rows, head, '', futures_of(0, space))
    statement.hard, statement.soft = set(), set()
    gather(statement.tables(), statement.hard, statement.soft)
    statement.names = attributes(statement.compiled())
    return statement
