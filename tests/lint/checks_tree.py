# SPDX-License-Identifier: Apache-2.0
"""Checks of the tree and of its documents.  Each yields (path, line, why)."""

import os
import re
import stat
import subprocess

import source

SPDX = 'SPDX-License-Identifier: Apache-2.0'
SPDX_SUFFIXES = ('.c', '.h', '.def', '.sql', '.cmake', '.py', '.sh', '.toml', '.service', '.cfg', '.conf')
SPDX_NAMES = ('CMakeLists.txt', 'Dockerfile')

# Written in two pieces so that this file passes its own check.
UNFINISHED = re.compile(r'\b(TO' r'DO|FIX' r'ME|X' r'XX)\b')
VAGUE_NAMES = re.compile(r'(common|utils?|misc|helpers?|manager)(_.*)?(\..*)?')

SETTINGS = re.compile(r'<!-- settings -->\n(.*?)<!-- /settings -->', re.S)
SETTINGS_TIMEOUT_S = 20


def wants_spdx(path, text):
    name = path.rsplit('/', 1)[-1]
    return name.endswith(SPDX_SUFFIXES) or name in SPDX_NAMES or text.startswith('#!')


def spdx(tree):
    for path, text in tree.texts():
        if not wants_spdx(path, text) or not text:
            continue
        lines = text.split('\n', 2)
        first = lines[1] if text.startswith('#!') and len(lines) > 1 else lines[0]
        if SPDX not in first:
            yield path, 1, f'the first line must say {SPDX}'


def unfinished(tree):
    for path, text in tree.texts():
        for match in UNFINISHED.finditer(text):
            yield path, source.line_of(text, match.start()), f'{match.group()}: finish it or drop it'


def whitespace(tree):
    for path, text in tree.texts():
        if path == 'LICENSE':
            continue
        for match in re.finditer(r'[ \t\r]+$', text, re.M):
            yield path, source.line_of(text, match.start()), 'blanks at the end of the line'
        if text and not text.endswith('\n'):
            yield path, source.line_of(text, len(text)), 'no newline at the end of the file'


def vague_names(tree):
    for path in tree.paths:
        for part in path.split('/'):
            if VAGUE_NAMES.fullmatch(part):
                yield path, 1, f"'{part}' does not say what is in it"


def executables(tree):
    for path, text in tree.texts():
        runs = (tree.root / path).stat().st_mode & stat.S_IXUSR != 0
        if runs and not text.startswith('#!'):
            yield path, 1, 'is executable but has no #! line'
        if not runs and text.startswith('#!'):
            yield path, 1, 'has a #! line but is not executable'


def environments_readme(tree):
    folder = 'deploy/environments/'
    names = [p[len(folder):] for p in tree.paths if p.startswith(folder)]
    names = [n for n in names if n not in ('README.md', '.keep')]
    if not names:
        raise source.Skip('there are no environments')
    readme = tree.text(folder + 'README.md') if folder + 'README.md' in tree.paths else ''
    for name in names:
        # An example's folder stands for its files.
        parent = name.rpartition('/')[0]
        if name not in readme and not (parent and parent + '/' in readme):
            yield folder + name, 1, f'{folder}README.md does not mention it'


def settings_markdown(tree):
    """What the built daemon prints."""
    if not tree.build:
        raise source.Skip('WARDIAN_BUILD is not set and build/check does not exist')
    daemon = os.path.join(tree.build, 'wardiand')
    if not os.access(daemon, os.X_OK):
        raise source.Skip(f'{daemon} is not built')
    done = subprocess.run([daemon, 'settings', 'markdown'], capture_output=True, text=True,
                          env={'PATH': '/usr/bin:/bin'},
                          timeout=SETTINGS_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f'`wardiand settings markdown` ended with {done.returncode}: {done.stderr}')
    return done.stdout


def readme_settings(tree):
    if 'README.md' not in tree.paths:
        raise source.Skip('there is no README.md')
    table = settings_markdown(tree)
    found = SETTINGS.search(tree.text('README.md'))
    if found is None:
        yield 'README.md', 1, 'has no part between <!-- settings --> and <!-- /settings -->'
        return
    have, want = found.group(1).strip('\n').split('\n'), table.strip('\n').split('\n')
    blank_lines = len(found.group(1)) - len(found.group(1).lstrip('\n'))
    first = source.line_of(tree.text('README.md'), found.start(1)) + blank_lines
    for number in range(max(len(have), len(want))):
        if have[number:number + 1] != want[number:number + 1]:
            yield ('README.md', first + number,
                   'differs from `wardiand settings markdown`; put its output there')
            return


CHECKS = {
    'spdx': spdx,
    'unfinished': unfinished,
    'whitespace': whitespace,
    'vague-names': vague_names,
    'executables': executables,
    'environments-readme': environments_readme,
    'readme-settings': readme_settings,
}
