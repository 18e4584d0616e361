# SPDX-License-Identifier: Apache-2.0
"""The tree under test: files, C and SQL without comments and strings, functions, calls."""

import functools
import pathlib
import re

LEFT_OUT_TOP = re.compile(r'build.*|\.git$')
LEFT_OUT = re.compile(r'__pycache__|\.pytest_cache|.*\.pyc')


class Skip(Exception):
    """A check that this tree or host does not allow, with the reason."""


class Tree:
    def __init__(self, root, build=None):
        self.root = pathlib.Path(root)
        self.build = build
        self.paths = sorted(self._walk(self.root, LEFT_OUT_TOP))
        self._texts = {}

    def _walk(self, folder, left_out):
        for path in folder.iterdir():
            if left_out.fullmatch(path.name) or LEFT_OUT.fullmatch(path.name) or path.is_symlink():
                continue
            if path.is_dir():
                yield from self._walk(path, LEFT_OUT)
            else:
                yield path.relative_to(self.root).as_posix()

    def text(self, path):
        """Text of a file; None for a binary one."""
        if path not in self._texts:
            raw = (self.root / path).read_bytes()
            try:
                self._texts[path] = None if b'\0' in raw else raw.decode()
            except UnicodeDecodeError:
                self._texts[path] = None
        return self._texts[path]

    def texts(self, *folders):
        """(path, text) of all text files below the folders, or of all; fuzz corpora never."""
        for path in self.paths:
            if folders and not path.startswith(tuple(f + '/' for f in folders)):
                continue
            if path.startswith('tests/fuzz/corpus/') or self.text(path) is None:
                continue
            yield path, self.text(path)

    def c(self, *folders, suffixes=('.c', '.h')):
        for path, text in self.texts(*folders):
            if path.endswith(tuple(suffixes)):
                yield path, text

    def sql(self):
        """(path, line, name, statement without comments and literals) of all SQL; migrations have
        no names."""
        for path, text in self.texts('src', 'migrations'):
            if not path.endswith('.sql'):
                continue
            starts = [(m.start(), m.group(1)) for m in re.finditer(r'^-- :name (\w+)', text, re.M)]
            starts = starts or [(0, None)]
            bare = bare_sql(text)
            for (start, name), end in zip(starts, [s for s, _ in starts[1:]] + [len(text)]):
                yield path, line_of(text, start), name, bare[start:end]


def line_of(text, position):
    return text.count('\n', 0, position) + 1


def blank(text):
    """As many blanks, newlines kept, so that positions stay."""
    return re.sub(r'[^\n]', ' ', text)


C_TOKEN = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
SQL_TOKEN = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:''|[^'])*'", re.S)


@functools.lru_cache(maxsize=None)
def bare_c(text):
    """C without comments; of strings and characters only the quotes stay."""
    def replace(match):
        token = match.group()
        return blank(token) if token[0] == '/' else token[0] + blank(token[1:-1]) + token[-1]
    return C_TOKEN.sub(replace, text)


@functools.lru_cache(maxsize=None)
def bare_sql(text):
    return SQL_TOKEN.sub(lambda m: blank(m.group()), text)


def c_strings(text):
    """(line, content) of each string literal; adjacent ones are joined."""
    joined, start, end = None, 0, 0
    for match in C_TOKEN.finditer(text):
        token = match.group()
        if token[0] != '"':
            continue
        if joined is not None and not text[end:match.start()].strip():
            joined, end = joined + token[1:-1], match.end()
            continue
        if joined is not None:
            yield line_of(text, start), joined
        joined, start, end = token[1:-1], match.start(), match.end()
    if joined is not None:
        yield line_of(text, start), joined


def closing(bare, position):
    """Position behind the bracket that closes the one at position."""
    depth = 0
    for at in range(position, len(bare)):
        if bare[at] in '([{':
            depth += 1
        elif bare[at] in ')]}':
            depth -= 1
            if depth == 0:
                return at + 1
    return len(bare)


def split_top(bare, start, end):
    """Ranges between the commas that stand in no bracket."""
    depth, begin = 0, start
    for at in range(start, end):
        if bare[at] in '([{':
            depth += 1
        elif bare[at] in ')]}':
            depth -= 1
        elif bare[at] == ',' and depth == 0:
            yield begin, at
            begin = at + 1
    yield begin, end


def c_calls(text, names):
    """(line, name, [argument, ...]) of each call of a name (a regular expression)."""
    bare = bare_c(text)
    for match in re.finditer(r'(?<![\w.>])(%s)\s*\(' % names, bare):
        end = closing(bare, match.end() - 1)
        yield (line_of(text, match.start()), match.group(1),
               [text[a:b].strip() for a, b in split_top(bare, match.end(), end - 1)])


def c_functions(text):
    """(line, name, lines, parameters) of each function: its name stands in column 0."""
    bare = bare_c(text)
    for match in re.finditer(r'^([a-z_]\w*)\(', bare, re.M):
        end = closing(bare, match.end() - 1)
        body = re.compile(r'\s*\{').match(bare, end)
        if body is None:
            continue
        stop = closing(bare, body.end() - 1)
        line = line_of(text, match.start())
        yield (line, match.group(1), line_of(text, stop - 1) - line + 1,
               [' '.join(bare[a:b].split()) for a, b in split_top(bare, match.end(), end - 1)])
