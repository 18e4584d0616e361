# SPDX-License-Identifier: Apache-2.0
"""wardiand on a PostgreSQL that is not its own: passwords, roles, and the server's restarts."""
import pathlib
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile

import pytest

from wardian import python_job, wait_for

BINARIES = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A PostgreSQL with passwords on a loopback port."""

    def __init__(self):
        self.bin = BINARIES[-1]
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="wardian-it-pg-", dir="/var/tmp"))
        account = pwd.getpwnam("nobody")
        shutil.chown(self.root, account.pw_uid, account.pw_gid)
        self.as_nobody = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        pwfile = self.root / "pw"
        pwfile.write_text(self.password)
        pwfile.chmod(0o644)
        self.run("initdb", "-D", f"{self.root}/data", "-U", "postgres", "--auth=scram-sha-256",
                 f"--pwfile={pwfile}", "--encoding=UTF8", "--locale=C.UTF-8")
        self.start()
        self.sql("postgres", f"create role operator login createrole password '{self.password}'")
        self.sql("postgres", "create database wardian owner operator")
        self.url = f"postgresql://operator:{self.password}@127.0.0.1:{self.port}/wardian"

    def run(self, program, *arguments, check=True):
        return subprocess.run([*self.as_nobody, str(self.bin / program), *arguments], check=check, timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/")

    def start(self):
        self.run("pg_ctl", "-D", f"{self.root}/data", "-w", "-l", f"{self.root}/log", "start",
                 "-o", f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.root}")

    def stop(self, mode="fast"):
        self.run("pg_ctl", "-D", f"{self.root}/data", "-w", "-m", mode, "stop", check=False)

    def sql(self, database, text):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port),
                               "-U", "postgres", "-d", database, "-c", text], timeout=60, capture_output=True,
                              text=True, check=False, env={"PGPASSWORD": self.password, "PATH": "/usr/bin:/bin"})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def destroy(self):
        self.stop("immediate")
        shutil.rmtree(self.root, ignore_errors=True)


@pytest.fixture
def server():
    made = Server()
    yield made
    made.destroy()


def test_jobs_run_on_an_outside_database_and_survive_its_restart(server, own_daemon):
    daemon = own_daemon(env={"WARDIAN_DATABASE_URL": server.url})
    _, key = daemon.bootstrap("alpha")
    assert daemon.run(key, python_job("print('one')"))["state"] == "succeeded"
    assert not (daemon.state / "postgres" / "data").exists()
    running = daemon.submit(key, python_job("import time\nprint('up', flush=True)\ntime.sleep(6)\nprint('end')"))
    wait_for(lambda: b"up" in daemon.job_log(key, running), 30, "the job runs")
    server.stop()
    status, headers, _ = daemon.request("GET", "/v1/jobs", key, timeout=60)
    assert status == 503 and "retry-after" in headers
    assert daemon.request("GET", "/readyz")[0] == 503
    assert daemon.request("GET", "/livez")[0] == 200
    server.start()
    wait_for(lambda: daemon.request("GET", "/readyz")[0] == 200, 15, "ready after the database is back")
    assert daemon.wait(key, running, 60)["state"] == "succeeded"
    assert server.sql("wardian", "select count(*) from wardian.job_attempt") == "2"


def test_login_roles_get_passwords_of_their_own_and_no_powers(server, own_daemon):
    own_daemon(env={"WARDIAN_DATABASE_URL": server.url})
    rows = server.sql("postgres", "select rolname, rolsuper, rolbypassrls, rolcanlogin from pg_roles "
                                  "where rolname like 'wardian%' order by 1").splitlines()
    assert rows == ["wardian_api|f|f|t", "wardian_owner|f|f|f", "wardian_platform|f|f|t",
                    "wardian_sched|f|f|t"]
    kinds = server.sql("postgres", "select left(rolpassword, 13) from pg_authid where rolname in "
                                   "('wardian_api', 'wardian_sched', 'wardian_platform')").splitlines()
    assert kinds == ["SCRAM-SHA-256"] * 3


def test_the_password_of_the_url_is_in_no_log(server, own_daemon):
    daemon = own_daemon("--log.level=debug", env={"WARDIAN_DATABASE_URL": server.url})
    assert server.password not in daemon.log()
