# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one daemon with two tenants per worker, and a check that nothing stays behind."""
import os
import pathlib

import pytest

import wardian


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="the sandbox needs root"))


@pytest.fixture(scope="session")
def daemon():
    """A running daemon, shared by the tests of one worker; tests that kill start their own."""
    # Tests present bad credentials by the hundred, from the address that the good ones come from.
    made = wardian.Daemon(["--limits.failed_logins_per_minute=1000000"]).start()
    yield made
    made.destroy()


@pytest.fixture(scope="session")
def tenant_a(daemon):
    """API key of tenant A."""
    return daemon.bootstrap("alpha")[1]


@pytest.fixture(scope="session")
def tenant_b(daemon):
    """API key of tenant B."""
    return daemon.bootstrap("beta")[1]


@pytest.fixture(scope="session")
def api(daemon):
    """api(method, path, key=, body=, headers=) -> (status, headers, bytes)."""
    return daemon.request


@pytest.fixture
def own_daemon():
    """own_daemon(settings...) starts a daemon for this test alone."""
    made = []

    def start(*settings, **options):
        daemon = wardian.Daemon(settings, **options)
        made.append(daemon)
        return daemon.start()

    yield start
    for daemon in made:
        daemon.destroy()


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind():
    """Compares mounts and cgroups of the host before and after a worker's tests."""
    before = host_state()
    yield
    after = host_state()
    assert after["mounts"] <= before["mounts"], sorted(after["mounts"] - before["mounts"])


def host_state():
    mounts = {line.split(" ")[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
              if "wardian" in line}
    return {"mounts": mounts}
