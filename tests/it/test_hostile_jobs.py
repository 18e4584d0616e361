# SPDX-License-Identifier: Apache-2.0
"""Hostile jobs of one tenant, beside a witness of another: none escapes, disturbs or is mis-reported,
and none leaves anything.  The table is in hostile_jobs.py; with -s the verdicts are printed, and in any
case they are written to <build>/hostile-verdicts/."""
import pathlib
import re
import statistics

import pytest

import hostile_run
from hostile_jobs import PART_OF, ROWS
from hostile_verdict import judge, write_table


class Story:
    """Everything that is run for this module, once."""

    def __init__(self, rows):
        rig = hostile_run.Rig()
        try:
            self.verdicts, self.witness = rig.together(rows, judge)
            self.changes = rig.changes()
            self.stays = hostile_run.leftovers(rig.daemon)
            self.daemon_log = rig.daemon.log_lines()
            self.raw_log = rig.daemon.log_path.read_bytes()
            self.pace_alone = rig.pace_alone
        finally:
            self.after = rig.close()


@pytest.fixture(scope="module")
def story(request):
    wanted = {item.callspec.params["row"] for item in request.session.items
              if item.module is request.module and hasattr(item, "callspec")}
    told = Story([row for row in ROWS if row in wanted])
    print(write_table("jobs", told.verdicts.values()))
    return told


def test_every_probe_of_the_list_is_in_a_table():
    numbers = {match for row in ROWS for match in re.findall(r"^(?:E?\d+|P12)", row.number)} | set(PART_OF)
    for path in pathlib.Path(__file__).parent.glob("test_hostile_jobs_*.py"):
        numbers |= set(re.findall(r'\(\s*"(E?\d+)[a-z+]*", f?"', path.read_text()))
    # A channel's number is chosen where it is asserted.
    numbers |= {"64", "65"}
    wanted = {str(n) for n in range(1, 79)} | {f"E{n}" for n in range(1, 25)} | {"P12"}
    assert not wanted - numbers, sorted(wanted - numbers)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_hostile_job(story, row):
    story.verdicts[row].report()


def test_the_other_tenants_jobs_are_not_disturbed(story):
    assert story.witness.jobs > 0
    assert not story.witness.complaints, story.witness.complaints


def test_the_other_tenants_jobs_keep_their_pace(story):
    paces = sorted(ns for pace in story.witness.pace for ns in pace)
    median, p90 = statistics.median(paces), paces[len(paces) * 9 // 10]
    print(f"\nwitness: {len(paces)} ticks of the same work, alone {story.pace_alone / 1e6:.2f} ms, beside hostile jobs "
          f"{median / 1e6:.2f} ms (p90 {p90 / 1e6:.2f} ms)")
    # With two CPUs and six hostile jobs at once, half a CPU is a share of more than its due.
    assert median < 2 * story.pace_alone


def test_the_host_is_as_it_was(story):
    assert not story.changes, story.changes


def test_nothing_stays_of_hostile_jobs(story):
    assert not story.stays, story.stays


def test_nothing_stays_when_the_daemon_has_ended(story):
    assert not story.after, story.after


def test_the_servers_log_bears_no_control_bytes_and_no_faults(story):
    assert not [c for c in set(story.raw_log) if c < 32 and c != 10]
    faults = [line for line in story.daemon_log if line.get("level") == "error"]
    assert not faults, faults[:5]
