# SPDX-License-Identifier: Apache-2.0
"""Mutants of seccomp.def, made from its rows.  Rows are independent of each other, so that a batch of them
is changed at once; each must then be named by the test, and nothing else."""
import re

DEF = "src/sandbox/seccomp.def"
GOLDEN = "unit:seccomp_golden/*"
GPUS = "unit:seccomp_gpus/*"
CALL = re.compile(r'\b(ALLOW|REFUSE)\("(\w+)"\)')
SETUP = re.compile(r'\bSETUP\("(\w+)", (\w+)\)')
ARGUMENT = re.compile(r'^ARGUMENT\("(\w+)",\s*(\d+),\s*(\w+),\s*(\w+),\s*(\w+),\s*([^)]*)\)', re.M)
SETUP_ARGUMENT = re.compile(r'^SETUP_ARGUMENT\("(\w+)",\s*(\d+),\s*(\w+)\)', re.M)
WIDER = re.compile(r'^WIDER\("(\w+)",\s*(\d+),\s*(\w+),\s*([^)]*)\)', re.M)
NUMBER = re.compile(r"number: (\w+) gets")
VALUE = re.compile(r"argument(?: of a cell)?: (\w+) (\d+) (0x\w+|0) gets")


class Batch:
    """The file with some rows changed, and how often the test must name each (None: it must fail)."""

    def __init__(self, what, text, wanted, test=GOLDEN):
        self.what, self.text, self.wanted, self.test = what, text, wanted, test

    def names(self):
        return [f"seccomp: {self.what}: {name}" for name in self.wanted]

    def judge(self, output, failed):
        """{name of a mutant: why it is alive, or ""}"""
        said = {}
        for name in NUMBER.findall(output):
            said[name] = said.get(name, 0) + 1
        seen = {m for m in VALUE.findall(output)}
        for name, index, _ in seen:
            said[f"{name} {index}"] = said.get(f"{name} {index}", 0) + 1
        found = {}
        for name, n in self.wanted.items():
            key = name.split(":")[0]
            told = max([said.get(key, 0)] + [v for k, v in said.items() if k.startswith(f"{key} ")])
            enough = failed and (n is None or told >= n)
            found[f"seccomp: {self.what}: {name}"] = "" if enough else "the golden test does not name it"
        return found


def change(text, matches, replace):
    for match in sorted(matches, key=lambda m: -m.start()):
        text = text[:match.start()] + replace(match) + text[match.end():]
    return text


def nothing(match):
    """A row that matches no call: of a table with one row none may be left."""
    mask = "0xffffffff, " if match.group(0).startswith("WIDER") else ""
    return f'{match.group(0).split("(")[0]}("{match.group(1)}", {match.group(2)}, {mask}0x7eadbeef)'


def split(rows, n):
    return [rows[i::n] for i in range(n) if rows[i::n]]


def calls(text):
    rows = list(CALL.finditer(text))
    names = [m.group(2) for m in rows]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SystemExit(f"{DEF}: these calls have two rows: {twice}")
    for word, n in (("ALLOW", 4), ("REFUSE", 2)):
        for part in split([m for m in rows if m.group(1) == word], n):
            yield Batch(f"{word} deleted", change(text, part, lambda m: ""), {m.group(2): 1 for m in part})
    for part in split([m for m in rows if m.group(1) == "REFUSE"], 2):
        yield Batch("REFUSE opened", change(text, part, lambda m: f'ALLOW("{m.group(2)}")'),
                    {m.group(2): 1 for m in part})


def setup(text):
    """Taken from the small layer alone: the large one goes on to allow them."""
    for part in split(list(SETUP.finditer(text)), 2):
        changed = change(text, part, lambda m: "")
        allow = " ".join(f'ALLOW("{m.group(1)}")' for m in part)
        first = CALL.search(changed)
        changed = changed[:first.start()] + allow + " " + changed[first.start():]
        yield Batch("SETUP deleted", changed, {m.group(1): 1 for m in part})
    for match in SETUP_ARGUMENT.finditer(text):
        yield Batch("SETUP_ARGUMENT deleted", change(text, [match], nothing),
                    {f"{match.group(1)} {match.group(2)}": 1})


def values_of(match):
    return [v.strip() for v in match.group(6).split(",")]


def without_values(match, part, n):
    kept = [v for i, v in enumerate(values_of(match)) if i % n != part]
    head = ", ".join(match.group(i) for i in range(2, 6))
    return f'ARGUMENT("{match.group(1)}", {head}, {", ".join(kept)})'


def arguments(text):
    rows = list(ARGUMENT.finditer(text))
    for part in split(rows, 3):
        yield Batch("ARGUMENT deleted", change(text, part, lambda m: ""),
                    {f"{m.group(1)} {m.group(2)}": 1 for m in part})
    # A row without any value cannot be compiled; such a row is its one value.
    many = [m for m in rows if len(values_of(m)) > 1]
    n = 3
    for part in range(n):
        wanted = {}
        for m in many:
            gone = values_of(m)[part::n]
            if gone and len(gone) < len(values_of(m)):
                wanted |= {f"{m.group(1)} {m.group(2)}: {v}": len(gone) for v in gone}
        hit = [m for m in many if any(k.startswith(f"{m.group(1)} {m.group(2)}:") for k in wanted)]
        yield Batch("value deleted", change(text, hit, lambda m, p=part: without_values(m, p, n)), wanted)


def masks(text):
    """Bit by bit where the mask is a number of many."""
    for m in ARGUMENT.finditer(text):
        if not m.group(3).startswith("0x") or m.group(4) != "ONE_OF" or m.group(6).strip() != "0":
            continue
        bits = [1 << i for i in range(32) if int(m.group(3), 16) >> i & 1]
        for part in split(bits, 2):
            mask = int(m.group(3), 16) & ~sum(part)
            row = m.group(0).replace(m.group(3), hex(mask), 1)
            yield Batch("bit of a mask deleted", change(text, [m], lambda _, r=row: r),
                        {f"{m.group(1)} {m.group(2)}: {bit:#x}": len(part) for bit in part})


def wider(text):
    for m in WIDER.finditer(text):
        yield Batch("WIDER row deleted", change(text, [m], nothing), {f"{m.group(1)} {m.group(2)}": None}, GPUS)
        yield Batch("WIDER mask widened", change(text, [m], lambda r: r.group(0).replace(r.group(3), "0", 1)),
                    {f"{m.group(1)} {m.group(2)}": None}, GPUS)
        values = [v.strip() for v in m.group(4).split(",")]
        for i, value in enumerate(values):
            kept = ", ".join(v for j, v in enumerate(values) if j != i)
            row = f'WIDER("{m.group(1)}", {m.group(2)}, {m.group(3)}, {kept})'
            yield Batch("WIDER value deleted", change(text, [m], lambda _, r=row: r),
                        {f"{m.group(1)} {m.group(2)}: {value}": None}, GPUS)


def load(text):
    found = [*calls(text), *setup(text), *arguments(text), *masks(text), *wider(text)]
    names = [name for batch in found for name in batch.names()]
    assert len(names) == len(set(names)), "a mutant of seccomp.def would stand for two"
    return found
