# SPDX-License-Identifier: Apache-2.0
"""Real daemons for tests: starts, kills and restarts wardiand on state of its own."""
import http.client
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WARDIAN_BUILD", TOP / "build" / "check"))
ENVIRONMENTS = TOP / "deploy" / "environments"
EXAMPLES = ENVIRONMENTS / "examples"
FINAL = ("succeeded", "failed", "canceled")


class NotReady(Exception):
    """wardiand did not come up; the message holds its log."""


def wait_for(condition, seconds, what, pause=0.02):
    """Returns condition()'s first true value; fails loudly after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)


def command_line(pid):
    """Of a process, which may just have ended: b"" then."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def processes_mentioning(text):
    """Pids whose command line holds `text`; marks what belongs to one daemon's state directory."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        if text.encode() in command_line(entry.name):
            found.append(int(entry.name))
    return found


class Daemon:
    """One wardiand with its state directory, private PostgreSQL and spawner."""

    def __init__(self, settings=(), env=None, build=BUILD, environments=ENVIRONMENTS):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="wardian-it-", dir="/var/tmp"))
        self.root.chmod(0o755)
        self.state = self.root / "state"
        self.settings = list(settings)
        self.env = dict(env or {})
        self.build = build
        self.environments = environments
        self.process = None
        self.port = None
        self.log_path = self.root / "wardiand.log"

    # --- life ---------------------------------------------------------------------------------

    def arguments(self, command):
        return [str(self.build / "wardiand"), *command, f"--state.dir={self.state}",
                f"--environments.dir={self.environments}", f"--sandbox.spawner={self.build}/wardian-spawner",
                f"--sandbox.keeper={self.build}/wardian-keeper", "--http.port=0", *self.settings]

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("WARDIAN_")}
        return {**env, **self.env}

    def start(self, wait=True):
        assert self.process is None
        (self.state / "http.port").unlink(missing_ok=True)
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(self.arguments(["serve"]), stdin=subprocess.DEVNULL, stdout=log,
                                        stderr=log, env=self.environment(), start_new_session=True)
        log.close()
        if wait:
            try:
                self.wait_ready()
            except NotReady:
                self.destroy()
                raise
        return self

    def wait_ready(self, seconds=30):
        def ready():
            if self.process.poll() is not None:
                raise NotReady(f"wardiand ended with {self.process.returncode}: {self.log()[-3000:]}")
            try:
                self.port = int((self.state / "http.port").read_text())
                return self.request("GET", "/readyz")[0] == 200
            except (OSError, ValueError, http.client.HTTPException):
                return False
        try:
            wait_for(ready, seconds, "wardiand is ready")
        except AssertionError as error:
            raise NotReady(f"{error}: {self.log()[-3000:]}") from None

    def kill(self):
        """SIGKILL: what a crash looks like."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self, seconds=30):
        """SIGTERM; returns the exit status."""
        if self.process is None:
            return None
        self.process.terminate()
        try:
            status = self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None
        return status

    def destroy(self):
        """Ends everything of this daemon, by pid, and removes its files."""
        self.stop()
        self.kill_keepers()
        wait_for(lambda: not self.strays(), 30, f"processes of {self.state} end: {self.strays()}")
        shutil.rmtree(self.root, ignore_errors=True)

    def kill_keepers(self):
        """Ends runs that a test left: they would go on under their keepers, as they should."""
        for run in self.state.glob("runs/*/*"):
            for pid in processes_mentioning(run.name):
                if b"wardian-keeper" in command_line(pid):
                    os.kill(pid, signal.SIGKILL)

    def strays(self):
        return processes_mentioning(str(self.state))

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_lines(self):
        lines = []
        for line in self.log().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                pass
        return lines

    # --- tenants -------------------------------------------------------------------------------

    def bootstrap(self, tenant):
        """A new key of the tenant (made when missing): (tenant id, key)."""
        out = subprocess.run(self.arguments(["bootstrap", "--tenant", tenant]), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment(),
                             timeout=60, check=False)
        assert out.returncode == 0, out.stderr.decode()
        made = json.loads(out.stdout)
        return made["tenant"], made["api_key"]

    # --- HTTP ------------------------------------------------------------------------------------

    def request(self, method, path, key=None, body=None, headers=None, timeout=30):
        """(status, headers with lower-case names, body bytes); body may be bytes or a JSON value."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = dict(headers or {})
        if key is not None:
            sent.setdefault("Authorization", f"Bearer {key}")
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data
        finally:
            connection.close()

    def json(self, method, path, key=None, body=None, expect=(200, 201, 202), headers=None):
        status, _, data = self.request(method, path, key, body, headers)
        assert status in expect, (status, data[:2000])
        return json.loads(data)

    # --- jobs --------------------------------------------------------------------------------------

    def submit(self, key, manifest):
        return self.json("POST", "/v1/jobs", key, manifest, expect=(201,))["id"]

    def wait(self, key, job, seconds=60):
        def over():
            found = self.json("GET", f"/v1/jobs/{job}", key)
            return found if found["state"] in FINAL else None
        return wait_for(over, seconds, f"{job} is over", pause=0.05)

    def run(self, key, manifest, seconds=60):
        return self.wait(key, self.submit(key, manifest), seconds)

    def job_log(self, key, job):
        status, _, data = self.request("GET", f"/v1/jobs/{job}/log", key)
        assert status == 200
        return data


def python_job(script, arguments=(), **more):
    """A manifest that runs a Python script."""
    manifest = {"environment": "python", "inputs": [{"path": "main.py", "text": script}],
                "parameters": {"script": "main.py", "arguments": list(arguments)}}
    manifest.update(more)
    return manifest


def have_account(name="wardian"):
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False
