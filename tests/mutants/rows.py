# SPDX-License-Identifier: Apache-2.0
"""The table of layers: what it says, and the source that a mutant is made of."""
import pathlib
import re
import tomllib

HERE = pathlib.Path(__file__).parent
TABLES = ("keeper", "landlock", "spawner", "sandbox", "one_uid")
WORDS = {"name", "file", "old", "new", "more", "step", "read_back", "with", "because", "test", "says",
         "starts", "hangs", "needs", "spawner"}
STARTS = "layers/a_run_starts_and_ends"  # says at which step a run was not started

# What is demanded of a variant.
RED, GREEN, REFUSED = "red", "green", "refused"


class Stale(Exception):
    """The source does not have the statement, or has it more than once."""


def pattern(code):
    """Any white space matches any other, or none beside punctuation: clang-format may break lines anew."""
    tokens = re.findall(r'"(?:[^"\\]|\\.)*"|\w+|\S', code)
    out = []
    for before, token in zip([""] + tokens, tokens):
        words = before[-1:].isalnum() and token[:1].isalnum()
        out.append((r"\s+" if words else r"\s*" if before else "") + re.escape(token))
    return re.compile("".join(out))


class Edit:
    def __init__(self, row):
        self.file, self.old, self.new = row["file"], row["old"], row.get("new", "")

    def apply(self, files):
        """Changes the one place in files, a dictionary of path and text, that has the statement."""
        wanted = pattern(self.old)
        found = [(path, match) for path, text in files.items()
                 if pathlib.PurePath(path).match(self.file) for match in wanted.finditer(text)]
        if len(found) != 1:
            raise Stale(f"{self.file} has its statement {len(found)} times: {' '.join(self.old.split())}")
        path, match = found[0]
        text = files[path]
        files[path] = text[:match.start()] + self.new + text[match.end():]
        return path


class Variant:
    """Edits, and what must come of which test."""

    def __init__(self, label, edits, demand, test):
        self.label, self.edits, self.demand, self.test = label, edits, demand, test


class Layer:
    def __init__(self, row, table):
        unknown = set(row) - WORDS
        if unknown:
            raise SystemExit(f"{table}: '{row.get('name')}' has the unknown words {unknown}")
        self.row, self.name, self.table = row, row["name"], table
        self.says, self.step = row.get("says", ""), row.get("step", "")
        self.hangs, self.starts = row.get("hangs", False), row.get("starts", True)
        self.needs = row.get("needs", "")
        self.prefix = f"{row['spawner']}:" if "spawner" in row else ""
        self.test = self.prefix + row.get("test", STARTS)
        self.start = self.prefix + STARTS
        if ("test" not in row and "step" not in row) or ("with" in row) != ("because" in row):
            raise SystemExit(f"{table}: '{self.name}' must have a test or a step, and 'with' a 'because'")

    def edits(self, word):
        return [Edit(row) for row in self.row.get(word, [])]

    def variants(self):
        own = [Edit(self.row)] + self.edits("more")
        found = []
        if self.step:
            found.append(Variant("read back", own, REFUSED, self.start))
        if "with" in self.row:
            found.append(Variant("alone", own, GREEN, self.test))
            found.append(Variant("both", own + self.edits("with"), RED, self.test))
        elif "test" in self.row:
            found.append(Variant("not read back" if self.step else "", own + self.edits("read_back"), RED, self.test))
        return found


def load():
    found = []
    for table in TABLES:
        rows = tomllib.loads((HERE / f"{table}.toml").read_text())["layer"]
        found += [Layer(row, table) for row in rows]
    names = [layer.name for layer in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SystemExit(f"these names stand twice in the tables: {twice}")
    return found
