# SPDX-License-Identifier: Apache-2.0
"""Adds up what the suites of tests/run left in a results directory and prints the closing line."""
import pathlib
import re
import sys
import xml.etree.ElementTree as ET

CASES = re.compile(r"\[\s*(PASSED|FAILED|SKIPPED)\s*\] (\d+) test\(s\)")


def ctest(path):
    """One row per test program; a cmocka program counts as many tests as it says it ran."""
    for case in ET.parse(path).getroot().iter("testcase"):
        text = case.findtext("system-out") or ""
        status = case.get("status")
        name = case.get("name")
        counts = {}
        for kind, n in CASES.findall(text):
            counts[kind] = counts.get(kind, 0) + int(n)
        if status == "notrun" or case.find("skipped") is not None:
            yield name, 0, 0, 1, last_line(text)
        elif status == "fail":
            yield name, counts.get("PASSED", 0), max(1, counts.get("FAILED", 0)), counts.get("SKIPPED", 0), ""
        else:
            passed = counts.get("PASSED", 1)
            yield name, passed, 0, counts.get("SKIPPED", 0), ""


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


def pytest(path):
    for case in ET.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, 0, 1, 0, ""
        elif skipped is not None:
            yield name, 0, 0, 1, skipped.get("message") or ""
        else:
            yield name, 1, 0, 0, ""


def outcomes(path):
    for line in path.read_text().splitlines():
        suite, name, outcome, why = line.split("\t")
        yield (f"{suite}/{name}", int(outcome == "passed"), int(outcome == "failed"),
               int(outcome == "skipped"), why)


def main(directory):
    results = pathlib.Path(directory)
    rows = []
    for path in sorted(results.glob("ctest-*.xml")):
        rows += ctest(path)
    for path in sorted(results.glob("pytest-*.xml")):
        rows += pytest(path)
    if (results / "outcomes.tsv").exists():
        rows += outcomes(results / "outcomes.tsv")
    print("\n== summary")
    for name, _, failed, skipped, why in rows:
        if failed:
            print(f"failed: {name} {why}")
        if skipped:
            print(f"skipped: {name}: {why}")
    passed, failed, skipped = (sum(row[i] for row in rows) for i in (1, 2, 3))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
