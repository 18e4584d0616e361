# SPDX-License-Identifier: Apache-2.0
"""What a hostile job came to, against what was demanded of it."""
import fnmatch
import json
import re
import time

import pytest

import wardian
from hostile_jobs import Row

TRIES = 3  # of what is measured in time: a machine that others use can only add to it


class Verdict:
    """Complaints: what is not as demanded.  Open: what is known to be so, and why."""

    def __init__(self, row, got="", complaints=(), known=()):
        self.row, self.got, self.complaints, self.open = row, got, list(complaints), list(known)

    @property
    def word(self):
        if self.row.skip:
            return "skipped"
        return "WRONG" if self.complaints else "open" if self.open else "as demanded"

    def report(self):
        if self.row.skip:
            pytest.skip(self.row.skip)
        assert not self.complaints, "; ".join(self.complaints)
        if self.open:
            pytest.xfail("; ".join(self.open))


def submit(rig, row, words):
    """(run, None), or (None, verdict in words) when the API refuses the job."""
    began = time.monotonic()
    status, _, body = rig.daemon.request("POST", "/v1/jobs", rig.key, rig.manifest(words, dict(row.manifest)))
    if status != 201:
        return None, f"refused {status}"
    return rig.finish(json.loads(body)["id"], began=began), None


def pattern_of(row, name):
    """The demand for a fact: by its name, by a name with a star, or "*"."""
    if name in row.facts:
        return row.facts[name]
    for wanted, pattern in row.facts.items():
        if "*" in wanted and wanted != "*" and fnmatch.fnmatchcase(name, wanted):
            return pattern
    return row.facts.get("*")


def look_at_facts(row, run):
    complaints = [f"no word of '{name}'" for name in row.facts if "*" not in name and name not in run.facts]
    n = sum(len(said) for said in run.facts.values())
    if n < row.n:
        complaints.append(f"{n} facts instead of {row.n}")
    for name, said in run.facts.items():
        pattern = pattern_of(row, name)
        complaints += [f"{name}: {text}" for text in said if pattern is not None and not re.fullmatch(pattern, text)]
    return complaints


def look_at(row, run):
    complaints = look_at_facts(row, run)
    if row.check:
        complaints += row.check(run)
    if run.alive:
        complaints.append(f"processes {run.alive} are alive after the result")
    return complaints


def summary(row, run):
    facts = [text for said in run.facts.values() for text in said]
    kinds = sorted({text for text in facts if re.fullmatch("E[A-Z]+|SIG[A-Z]+|ok", text)})
    words = [run.ended()]
    if run.ended() not in ("exit 0",) and run.usage:
        words.append(f"after {run.usage['wall_s']:.3f} s")
    if kinds and row.facts:
        words.append(f"{len(facts)} facts: {' '.join(kinds)}"[:60])
    return ", ".join(words)


def once(rig, row):
    words = [w.format(port=rig.daemon.port, address=rig.places.address(), abstract=rig.places.abstract,
                      socket=rig.places.socket) for w in row.words]
    run, refused = submit(rig, row, words)
    ended = refused or run.ended()
    complaints = [] if re.fullmatch(row.ends, ended) else [f"ended with {ended}, not {row.ends}"]
    if run and not complaints:
        complaints = look_at(row, run)
    elif run:
        complaints.append(f"cause {run.job['cause']}, log {run.log[-300:]}")
    return Verdict(row, refused or summary(row, run), complaints)


def attempt(rig, row):
    """The best of some tries when only time was measured."""
    verdict = once(rig, row)
    for _ in range(TRIES - 1):
        if not verdict.complaints or not getattr(row.check, "of_time", False):
            break
        verdict = once(rig, row)
    return verdict


def judge(rig, row):
    if row.skip:
        return Verdict(row, row.skip)
    try:
        verdict = attempt(rig, row)
    except Exception as error:  # one row's trouble is not another's
        return Verdict(row, "trouble", [f"{type(error).__name__}: {error}"])
    for name, why in row.known.items():
        told = [c for c in verdict.complaints if c.startswith(name)]
        verdict.complaints = [c for c in verdict.complaints if not c.startswith(name)]
        if told:
            verdict.open += [f"{c} ({why})" for c in told]
        else:
            verdict.complaints.append(f"'{name}' is closed by now: take its mark off the table")
    return verdict


class Ledger:
    """ledger(number, what, demand, got, complaints, known): writes a verdict down, and asserts it."""

    def __init__(self):
        self.verdicts = []

    def __call__(self, number, what, demand, got, complaints=(), known=()):
        verdict = Verdict(Row(number, what, demand), str(got), complaints, known)
        self.verdicts.append(verdict)
        verdict.report()

    def skip(self, number, what, demand, why):
        verdict = Verdict(Row(number, what, demand, skip=why), why)
        self.verdicts.append(verdict)
        verdict.report()


def write_table(name, verdicts):
    """Also a file, since a worker of pytest-xdist has no terminal."""
    lines = [f"{'probe':<16} {'demanded':<50} {'got':<60} verdict"]
    for v in verdicts:
        probe = f"{v.row.number} ({v.row.kind})"
        lines.append(f"{probe:<16} {v.row.demand[:50]:<50} {v.got[:110]:<60} {v.word}")
        lines.append(f"  {v.row.what}")
        lines += [f"    - {text[:300]}" for text in [*v.complaints, *v.open]]
    words = [v.word for v in verdicts]
    lines.append(", ".join(f"{words.count(w)} {w}" for w in sorted(set(words))))
    folder = wardian.BUILD / "hostile-verdicts"
    folder.mkdir(exist_ok=True)
    text = "\n".join(lines).encode("ascii", "backslashreplace").decode() + "\n"
    (folder / f"{name}.txt").write_text(text)
    return "\n" + text
