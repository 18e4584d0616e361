# SPDX-License-Identifier: Apache-2.0
"""Checks of SQL and of what C says about it.  Each yields (path, line, why)."""

import re

import source

# The two columns that hold a job's state: job_queue while it lives, job when it has ended.
STATE_COLUMNS = {('job_queue', 'state'), ('job', 'end_state')}
STATE_WRITER = 'job_move'

UPDATE = re.compile(r'\bupdate\s+(?:only\s+)?(\w+)(?:\s+(?:as\s+)?(?!set\b)\w+)?\s+set\s', re.I)
INSERT = re.compile(r'\binsert\s+into\s+(\w+)(?:\s+as\s+\w+)?\s*\(', re.I)
UPSERT = re.compile(r'\bdo\s+update\s+set\s', re.I)
CLAUSE_END = re.compile(r'\s*(from|where|returning)\b', re.I)

# Call: index of the argument that names a statement.
STATEMENT_CALLS = {
    'db_one': 1, 'db_each': 1, 'db_exec': 1, 'db_one_commit': 1, 'db_read_one': 2, 'db_read_each': 2,
    'db_sys_one': 1, 'db_sys_each': 1, 'db_sys_exec': 1, 'db_sys_read_one': 1, 'db_sys_read_each': 1,
    'db_platform_one': 1, 'db_platform_each': 1, 'db_platform_exec': 1, 'db_platform_read_one': 1,
    'db_platform_read_each': 1, 'db_owner_stmt': 1,
}


def set_columns(text, start):
    """Columns assigned by the SET clause that begins at start."""
    depth, end = 0, start
    while end < len(text):
        if text[end] == '(':
            depth += 1
        elif text[end] == ')':
            depth -= 1
        if depth < 0 or text[end] == ';' or (depth == 0 and CLAUSE_END.match(text, end)):
            break
        end += 1
    for begin, stop in source.split_top(text, start, end):
        left = text[begin:stop].split('=')[0]
        yield from re.findall(r'\w+', left)


def assigned(statement):
    """(table, column) of everything that a statement writes."""
    for match in UPDATE.finditer(statement):
        for column in set_columns(statement, match.end()):
            yield match.group(1).lower(), column.lower()
    for match in INSERT.finditer(statement):
        end = source.closing(statement, match.end() - 1)
        for column in re.findall(r'\w+', statement[match.end():end]):
            yield match.group(1).lower(), column.lower()
        upsert = UPSERT.search(statement, end)
        if upsert:
            for column in set_columns(statement, upsert.end()):
                yield match.group(1).lower(), column.lower()


def state_writer(tree):
    writers = {target: [] for target in STATE_COLUMNS}
    if not any(path.endswith('.sql') for path, _ in tree.texts('src')):
        raise source.Skip('there is no .sql below src')
    for path, line, name, statement in tree.sql():
        for target in STATE_COLUMNS & set(assigned(statement)):
            writers[target].append((path, line, name))
    for (table, column), found in sorted(writers.items()):
        for path, line, name in found:
            if name != STATE_WRITER:
                yield path, line, f'{table}.{column} is written by {STATE_WRITER} alone'
        if not any(name == STATE_WRITER for _, _, name in found):
            yield 'src', 0, f'no statement {STATE_WRITER} writes {table}.{column}'
        if sum(name == STATE_WRITER for _, _, name in found) > 1:
            yield 'src', 0, f'there are several statements {STATE_WRITER}'


def set_config(tree):
    for path, text in tree.texts('src', 'include', 'migrations'):
        if path.startswith('src/db/') or not path.endswith(('.c', '.h', '.sql', '.def')):
            continue
        # In C the name stands in a string: only comments are taken out.
        bare = source.bare_sql(text) if path.endswith('.sql') else \
            source.C_TOKEN.sub(lambda m: source.blank(m.group()) if m.group()[0] == '/' else m.group(), text)
        for match in re.finditer(r'\bset_config\b', bare):
            yield path, source.line_of(text, match.start()), 'the tenant is set by src/db alone'


def used_statements(text):
    """(line, name) of each statement that C names in a call or in a struct db_write."""
    for line, name, arguments in source.c_calls(text, '|'.join(STATEMENT_CALLS)):
        index = STATEMENT_CALLS[name]
        if index < len(arguments):
            for literal in re.findall(r'"(\w+)"', arguments[index]):
                yield line, literal
    for match in re.finditer(r'\.stmt\s*=\s*"(\w+)"', text):
        yield source.line_of(text, match.start()), match.group(1)


def statements(tree):
    known = {}
    for path, line, name, _ in tree.sql():
        if name is None:
            continue
        if name in known:
            yield path, line, f'{name} is defined in {known[name][0]}, too'
        known[name] = (path, line)
    literals, prefixes = set(), []
    for path, text in tree.c('src'):
        for line, name in used_statements(text):
            if name not in known:
                yield path, line, f'no .sql file has a statement {name}'
        literals.update(content for _, content in source.c_strings(text))
        for _, _, arguments in source.c_calls(text, 'db_owner_each_stmt'):
            prefixes += re.findall(r'"(\w+)"', ' '.join(arguments[1:2]))
    for name, (path, line) in known.items():
        if name not in literals and not name.startswith(tuple(prefixes or ['\n'])):
            yield path, line, f'nothing uses the statement {name}'


CHECKS = {
    'state-writer': state_writer,
    'set-config': set_config,
    'statements': statements,
}
