# SPDX-License-Identifier: Apache-2.0
"""Checks of C sources.  Each yields (path, line, why)."""

import re

import source

FUNCTION_LINES = 70
FUNCTION_PARAMETERS = 6
FILE_LINES = 700
CONTEXT_PARAMETER = re.compile(r'^(const )?struct (err|arena|log) \*\w+$')
FREE_SHAPE = re.compile(r'^(const )?struct (db|db_tx|db_sys_tx|db_platform_tx|MHD_\w+|gnutls_\w+) \*')

BANNED = {
    'strcpy|strcat|strncpy|strncat|stpcpy|sprintf|vsprintf|gets':
        'has no bound that the compiler knows; use snprintf, memcpy or buf.h',
    'strtok|localtime|gmtime|rand|srand|setenv|putenv|unsetenv':
        'has hidden state shared by all threads',
    'atoi|atol|atoll|atof|v?f?scanf|v?sscanf': 'hides errors; use parse.h',
    'system|popen|alloca': 'is not for servers',
}

# A test is one thread, reads what it wrote itself, and may build the world it needs with a shell.
ALLOWED_IN_TESTS = r'atoi|atol|s?scanf|setenv|unsetenv|system|popen|strtok'

# Header: the folders that may include it.
OWNERS = {
    r'microhttpd\.h': ['src/http/'],
    r'gnutls/.*': ['src/http/'],
    r'libpq-fe\.h|libpq/.*|libpq-events\.h': ['src/db/'],
    r'jansson\.h': ['src/json/'],
    r'jwt\.h': ['src/auth/'],
    r'uv\.h|uv/.*': ['src/loop/'],
    r'openssl/.*': ['src/auth/'],
    r'curl/.*': ['src/client/'],
    r'seccomp\.h': ['src/sandbox/'],
    r'zlib\.h': ['src/auth/'],
    r'archive\.h|archive_entry\.h': ['src/rootfs/'],
    r'pthread\.h|threads\.h': ['include/base/lock.h'],
}

PROCESS_MAKERS = r'v?fork|clone3?|unshare|setns|pivot_root'
# `host` asks the kernel for these calls, and tries them in a child that ends at once.
PROCESS_MODULES = ('src/sandbox/', 'src/spawner/', 'src/keeper/', 'src/host/')

SQL_START = re.compile(
    r'\s*(select\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|with\s+\w+\s+as\s*\('
    r'|(begin|commit|rollback)\s*;?\s*$|(begin|start|rollback)\s+(transaction|work)'
    r'|(create|alter|drop)\s+(table|index|role|user|schema|database|view|policy|function)\s'
    r'|grant\s+\w+\s+(on|to)\s|copy\s+\w+\s+(from|to)\s|set\s+(local|session|role)\s'
    r'|(listen|notify|truncate|vacuum|analyze)\s+\w+\s*;?$)', re.I)

# Descriptors are closed on exec from birth: call, index of the argument with flags, the flag.
CLOEXEC = {
    'open': (1, 'O_CLOEXEC'), 'openat': (2, 'O_CLOEXEC'), 'socket': (1, 'SOCK_CLOEXEC'),
    'socketpair': (1, 'SOCK_CLOEXEC'), 'accept4': (3, 'SOCK_CLOEXEC'), 'pipe2': (1, 'O_CLOEXEC'),
    'eventfd': (1, 'EFD_CLOEXEC'), 'epoll_create1': (0, 'EPOLL_CLOEXEC'),
    'memfd_create': (1, 'MFD_CLOEXEC'), 'timerfd_create': (1, 'TFD_CLOEXEC'),
    'signalfd': (2, 'SFD_CLOEXEC'), 'inotify_init1': (0, 'IN_CLOEXEC'), 'fopen': (1, 'e"'),
}
WITHOUT_CLOEXEC = {'pipe': 'pipe2', 'accept': 'accept4', 'dup': 'fcntl with F_DUPFD_CLOEXEC',
                   'dup2': 'dup3', 'epoll_create': 'epoll_create1', 'creat': 'open',
                   'inotify_init': 'inotify_init1'}
# Between fork and exec a child arranges the descriptors of the program to come.
DUP_EXEMPT = ('src/keeper/', 'src/spawner/')
OPEN_EXEMPT = ('src/keeper/sim.c',)


def banned_calls(tree):
    for path, text in tree.c('src', 'include', 'tests'):
        for names, why in BANNED.items():
            for line, name, _ in source.c_calls(text, names):
                if not (path.startswith('tests/') and re.fullmatch(ALLOWED_IN_TESTS, name)):
                    yield path, line, f'{name}() {why}'


def sql_in_c(tree):
    for path, text in tree.c('src', 'include'):
        if path.startswith('src/db/'):
            continue
        for line, content in source.c_strings(text):
            if SQL_START.match(content.replace('\\n', ' ')):
                yield path, line, 'SQL stands in .sql files, not in C'


def header_owners(tree):
    for path, text in tree.c('src', 'include', suffixes=('.c', '.h', '.def')):
        for match in re.finditer(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', text, re.M):
            for header, owners in OWNERS.items():
                if re.fullmatch(header, match.group(1)) and not path.startswith(tuple(owners)):
                    yield (path, source.line_of(text, match.start(1)),
                           f'{match.group(1)} belongs to {" ".join(owners)}')


def process_makers(tree):
    for path, text in tree.c('src', 'include'):
        if path.startswith(PROCESS_MODULES):
            continue
        for line, name, _ in source.c_calls(text, PROCESS_MAKERS):
            yield path, line, f'{name}() is for the sandbox, the spawner, the keeper and the look at the host'
        for match in re.finditer(r'\b(?:SYS|__NR)_(%s)\b' % PROCESS_MAKERS, source.bare_c(text)):
            yield (path, source.line_of(text, match.start()),
                   f'{match.group()} is for the sandbox, the spawner, the keeper and the look at the host')


def function_length(tree):
    for path, text in tree.c('src', 'include', 'tests'):
        for line, name, lines, _ in source.c_functions(text):
            if lines > FUNCTION_LINES:
                yield path, line, f'{name}() has {lines} lines, {FUNCTION_LINES} are allowed'


def function_parameters(tree):
    for path, text in tree.c('src', 'include'):
        for line, name, _, parameters in source.c_functions(text):
            # Calls of the database carry their statement's arguments, callbacks have a foreign shape.
            if any(FREE_SHAPE.search(p) for p in parameters):
                continue
            counted = [p for p in parameters if not CONTEXT_PARAMETER.search(p)]
            if len(counted) > FUNCTION_PARAMETERS:
                yield (path, line, f'{name}() has {len(counted)} parameters beside error, arena and '
                       f'log, {FUNCTION_PARAMETERS} are allowed')


def file_length(tree):
    for path, text in tree.texts('src', 'include', 'tests', 'migrations', 'deploy'):
        lines = text.count('\n')
        if lines > FILE_LINES and not path.endswith(('.md', '.json')):
            yield path, lines, f'{lines} lines, {FILE_LINES} are allowed; split the file'


def line_comments(tree):
    for path, text in tree.c('src', 'include', 'tests', suffixes=('.c', '.h', '.def')):
        for match in re.finditer('//', source.bare_c(text)):
            yield path, source.line_of(text, match.start()), 'comments are written /* like this */'


def header_guards(tree):
    seen = {}
    for path, text in tree.c('src', 'include', 'tests', suffixes=('.h',)):
        guard = re.sub(r'\W', '_', path.rsplit('/', 1)[-1].upper())
        directives = [line.strip() for line in source.bare_c(text).splitlines() if line.strip()]
        # A prefix that says where the header belongs is welcome.
        opening = re.match(rf'#ifndef (\w*{guard})\n#define \1$', '\n'.join(directives[:2]))
        if not opening or directives[-1] != '#endif':
            yield path, 1, f'the guard must be {guard}, around all of the file'
        if guard in seen:
            yield path, 1, f'{seen[guard]} has the same name: header names are unique'
        seen[guard] = path


def globals_(tree):
    for path, text in tree.c('src'):
        bare = source.bare_c(text)
        for match in re.finditer(r'^(\t*)static\s+(?!inline\b)([^(){};=]*)[;=]', bare, re.M):
            # Words for execve(2) are char by type and constant by use.
            words = match.group(1) and re.match(r'char \w+\[\] ?$', match.group(2))
            if not re.search(r'\bconst\b', match.group(2)) and not words:
                yield (path, source.line_of(text, match.start()),
                       'a variable that outlives its function must be const: state hangs from structs')


def cloexec(tree):
    for path, text in tree.c('src', 'include'):
        for line, name, arguments in source.c_calls(text, '|'.join(CLOEXEC)):
            index, flag = CLOEXEC[name]
            given = arguments[index] if index < len(arguments) else ''
            # Flags that come in a variable are judged where they are made.
            literal = re.fullmatch(r'[A-Z0-9_| ]+|".*"', given)
            if literal and flag not in given and path not in OPEN_EXEMPT:
                yield path, line, f'{name}() without {flag.strip(chr(34))}'
        for line, name, _ in source.c_calls(text, '|'.join(WITHOUT_CLOEXEC)):
            if not path.startswith(DUP_EXEMPT):
                yield path, line, f'{name}() makes a descriptor that children inherit; ' \
                    f'use {WITHOUT_CLOEXEC[name]}'


CHECKS = {
    'banned-calls': banned_calls,
    'sql-in-c': sql_in_c,
    'header-owners': header_owners,
    'process-makers': process_makers,
    'function-length': function_length,
    'function-parameters': function_parameters,
    'file-length': file_length,
    'line-comments': line_comments,
    'header-guards': header_guards,
    'globals': globals_,
    'cloexec': cloexec,
}
