# SPDX-License-Identifier: Apache-2.0
"""What tests of access share: a fast client, the private database, and a world of two tenants with a
credential of every kind."""

import json
import pathlib
import re
import socket
import subprocess
import time
import uuid

import psycopg2

from wardian import TOP, wait_for

# So that no limit but the one under test is met.
NO_LIMITS = (
    "--limits.failed_logins_per_minute=1000000",
    "--limits.source_requests_per_second=1000000",
    "--quota.requests_per_second=1000000",
    "--quota.key_requests_per_second=1000000",
)
PLATFORM = "00000000-0000-7000-8000-000000000001"
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
JSON = {"Content-Type": "application/json"}


# --- ids ---------------------------------------------------------------------------------------


def id_of(prefix, value):
    """A uuid (text or UUID) as a TypeID."""
    n = uuid.UUID(str(value)).int
    digits = ""
    for _ in range(26):
        digits = ALPHABET[n & 31] + digits
        n >>= 5
    return f"{prefix}_{digits}"


def uuid_of(text):
    """The uuid behind a TypeID."""
    n = 0
    for letter in text.split("_", 1)[1]:
        n = n << 5 | ALPHABET.index(letter)
    return uuid.UUID(int=n)


def random_id(prefix):
    """Well formed, of nobody: a UUIDv7 of now."""
    n = (int(time.time() * 1000) & (1 << 48) - 1) << 80 | uuid.uuid4().int & (1 << 80) - 1
    n = n & ~(0xF << 76) | 7 << 76
    return id_of(prefix, uuid.UUID(int=n & ~(3 << 62) | 2 << 62))


# --- HTTP --------------------------------------------------------------------------------------


class Answer:
    """status, headers (lower-case names), body."""

    __slots__ = ("status", "headers", "body")

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self, *expected):
        """The JSON body; `expected` are the only statuses that will do."""
        assert not expected or self.status in expected, (self.status, self.body[:2000])
        return json.loads(self.body)

    def problem(self):
        return json.loads(self.body).get("code") if self.status >= 400 else None


class Http:
    """One keep-alive connection; opened again when the server closes it."""

    def __init__(self, port, timeout=30, source=""):
        self.port, self.timeout, self.source = port, timeout, source
        self.socket, self.rest = None, b""

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def open(self):
        self.close()
        self.socket = socket.create_connection(
            ("127.0.0.1", self.port), timeout=self.timeout, source_address=(self.source, 0)
        )
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    @staticmethod
    def message(method, path, key=None, body=None, headers=None):
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        sent = dict(headers or {})
        if key is not None:
            lines.append(f"Authorization: Bearer {key}")
        if body is not None:
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        if body is not None or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body or b'')}")
        lines += [f"{name}: {value}" for name, value in sent.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")

    def receive(self, head):
        data = self.rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            data += more
        lines = data[:end].decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ", 2)[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        need = end + 4
        if not head and status not in (204, 304):
            need += int(headers.get("content-length", "0"))
        while len(data) < need:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            data += more
        self.rest = data[need:]
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, data[end + 4 : need])

    def request(self, method, path, key=None, body=None, headers=None):
        """A connection that was idle too long is opened again once."""
        message = self.message(method, path, key, body, headers)
        for attempt in (1, 2):
            fresh = self.socket is None
            if fresh:
                self.open()
            try:
                self.socket.sendall(message)
                return self.receive(method == "HEAD")
            except (ConnectionError, BrokenPipeError):
                self.close()
                if fresh or attempt == 2:
                    raise
        return None

    def json(self, method, path, key=None, body=None, expect=(200, 201, 202)):
        return self.request(method, path, key, body).json(*expect)


def last_sent(ask, is_old, seconds=10):
    """(seconds from now to when the last request was sent whose answer `is_old`, the first other answer).

    What a server promises about a change counts from when a request reaches it.  How long the request and
    its answer lie about on a busy machine is no part of that, and neither is the change's own answer: this
    is to be called when that is there."""
    began, last = time.monotonic(), 0.0
    while True:
        sent = time.monotonic() - began
        answer = ask()
        if not is_old(answer):
            return last, answer
        assert sent < seconds, f"still so after {sent:.1f} s"
        last = sent
        time.sleep(0.005)


def without_variables(answer, *ids):
    """What two answers must have in common: not the date, the request's id, what is left of the
    caller's rate, and the ids that were asked for."""
    skip = ("date", "ratelimit", "x-request-id")
    text = answer.body
    for one in (answer.headers.get("x-request-id", "-"), *ids):
        text = text.replace(one.encode(), b"ID")
    headers = tuple(sorted((k, v) for k, v in answer.headers.items() if k not in skip))
    return answer.status, headers, text


# --- the database ------------------------------------------------------------------------------


class Database:
    """A session of a superuser, by default that of the daemon's private PostgreSQL."""

    def __init__(self, daemon, autocommit=True, **login):
        login = login or {"host": str(daemon.state / "postgres" / "socket"), "port": 5432, "user": "wardian_admin"}
        self.connection = psycopg2.connect(
            dbname="wardian", options="-c search_path=wardian -c timezone=UTC", **login
        )
        self.connection.autocommit = autocommit

    def rows(self, text, *arguments):
        with self.connection.cursor() as cursor:
            cursor.execute(text, arguments or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, text, *arguments):
        found = self.rows(text, *arguments)
        return found[0][0] if found else None

    def tables(self):
        """Tables with rows of tenants."""
        return [
            row[0]
            for row in self.rows(
                "select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' "
                "where c.relnamespace = 'wardian'::regnamespace and c.relkind in ('r', 'p') order by 1"
            )
        ]

    # Written for every request, or by the clock: no part of what a tenant owns.
    PASSING = {"api_key": ("last_used_at", "last_used_from")}

    def checksums(self, tenant, leave_out=("rate_use",)):
        """{table: (rows, checksum)} of one tenant."""
        found = {}
        for table in self.tables():
            if table in leave_out:
                continue
            columns = [
                row[0]
                for row in self.rows(
                    "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
                    "order by attnum",
                    f"wardian.{table}",
                )
                if row[0] not in self.PASSING.get(table, ())
            ]
            row = ", ".join(f'x."{name}"' for name in columns)
            found[table] = self.rows(
                f"select count(*), coalesce(sum(hashtextextended(row({row})::text, 0)), 0)::text "
                f"from {table} x where tenant_id = %s",
                str(tenant),
            )[0]
        return found

    def close(self):
        self.connection.close()


# --- permissions and roles, as the program's own table has them ----------------------------------

LETTERS = {
    "o": "owner",
    "a": "admin",
    "e": "engineer",
    "v": "viewer",
    "b": "billing",
    "u": "auditor",
    "P": "platform-operator",
}


def permission_table():
    """{permission: (level, names of system roles)} out of permission.def."""
    text = (TOP / "include" / "tenant" / "permission.def").read_text()
    found = {}
    for name, level, roles in re.findall(r'^PERMISSION\(\w+,\s*"([^"]+)",\s*(\w+),\s*"(\w*)"', text, re.M):
        found[name] = (level.lower(), {LETTERS[letter] for letter in roles})
    assert len(found) > 30
    return found


PERMISSIONS = permission_table()


def role_may(role, permission):
    return permission in ("any", "none") or role in PERMISSIONS[permission][1]


# --- two tenants and everybody in them -----------------------------------------------------------

SYSTEM_ROLES = ("owner", "admin", "engineer", "viewer", "billing", "auditor")


class Tenant:
    """A customer with an owner's key and whatever a test makes in it."""

    def __init__(self, http, made):
        self.http = http
        self.id, self.name = made["tenant"]["id"], made["tenant"]["name"]
        self.uuid = uuid_of(self.id)
        self.owner, self.owner_user = made["owner"]["key"], made["owner"]["user"]
        self.owner_key_id = made["owner"]["key_id"]
        self.n = 0

    def unique(self, what="x"):
        self.n += 1
        return f"{what}-{self.n}"

    def post(self, path, body, key=None):
        return self.http.json("POST", path, key or self.owner, body)

    def user(self, *roles, kind="service"):
        """A new user's id; roles are names, or (name, project)."""
        return self.post("/v1/users", {"name": self.unique("user"), "kind": kind, "roles": role_list(roles)})["id"]

    def key_of(self, user, **more):
        """(id, text) of a new key."""
        made = self.post("/v1/keys", {"name": self.unique("key"), "user": user, **more})
        return made["id"], made["key"]

    def credential(self, *roles, **more):
        """The text of a new key of a new user with these roles."""
        return self.key_of(self.user(*roles), **more)[1]

    def project(self):
        return self.post("/v1/projects", {"name": self.unique("project")})["id"]

    def default_project(self):
        rows = self.http.json("GET", "/v1/projects?limit=200", self.owner)["data"]
        return next(row["id"] for row in rows if row["name"] == "default")

    def role(self, *permissions):
        """(id, name) of a new role of the tenant's own."""
        made = self.post("/v1/roles", {"name": self.unique("role"), "permissions": list(permissions)})
        return made["id"], made["name"]

    def assignment(self, role="viewer"):
        return self.post("/v1/role-assignments", {"user": self.user(), "role": role})["id"]

    def job(self, script="true", **more):
        return self.post("/v1/jobs", {"environment": "python", "command": ["sh", "-c", script], **more})["id"]


def role_list(roles):
    return [{"role": r, "project": None} if isinstance(r, str) else {"role": r[0], "project": r[1]} for r in roles]


class World:
    """A daemon with an operator and tenants; `login`: the superuser of a database outside."""

    def __init__(self, daemon, **login):
        self.daemon = daemon
        self.http = Http(daemon.port)
        self.operator = operator_key(daemon)
        self.database = Database(daemon, **login)
        self.tenants = 0

    def tenant(self, name=None):
        self.tenants += 1
        name = name or f"tenant-{self.tenants}"
        return Tenant(
            self.http,
            self.http.json("POST", "/v1/tenants", self.operator, {"name": name, "owner": {"name": "first-owner"}}),
        )

    def limits(self, tenant, **limits):
        return self.http.json("PUT", f"/v1/tenants/{tenant.id}/quota", self.operator, {"limits": limits})

    def suspend(self, tenant, reason="for a test"):
        return self.http.json("POST", f"/v1/tenants/{tenant.id}/suspend", self.operator, {"reason": reason})

    def resume(self, tenant):
        return self.http.json("POST", f"/v1/tenants/{tenant.id}/resume", self.operator)

    def delete(self, tenant):
        """Id of the operation."""
        return self.http.json("DELETE", f"/v1/tenants/{tenant.id}?confirm={tenant.name}", self.operator)["id"]

    def operation(self, operation):
        return self.http.json("GET", f"/v1/operations/{operation}", self.operator)

    def wait_deleted(self, operation, seconds=60):
        return wait_for(
            lambda: (lambda o: o if o["done"] else None)(self.operation(operation)),
            seconds,
            f"{operation} is done: {self.operation(operation)}",
            pause=0.05,
        )

    def support(self, tenant, **more):
        return self.http.json(
            "POST",
            f"/v1/tenants/{tenant.id}/support-access",
            self.operator,
            {"reason": "looking into a failed job", **more},
        )

    def close(self):
        self.database.close()
        self.http.close()


def operator_key(daemon, name="operator"):
    """A new key of an operator, who is made when missing."""
    out = subprocess.run(
        daemon.arguments(["bootstrap", "--operator", name]),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=daemon.environment(),
        timeout=60,
        check=False,
    )
    assert out.returncode == 0, out.stderr.decode()
    return json.loads(out.stdout)["api_key"]


def wait_job(http, key, job, seconds=60):
    """The job when it is over."""

    def over():
        found = http.json("GET", f"/v1/jobs/{job}", key)
        return found if found["ended_at"] else None

    return wait_for(over, seconds, f"{job} is over", pause=0.05)


def metric(http, name, **labels):
    """The value of one sample of /metrics; 0 when it is not there."""
    text = http.request("GET", "/metrics").body.decode()
    for line in text.splitlines():
        if line.startswith("#") or not line.startswith(name):
            continue
        head, _, value = line.rpartition(" ")
        found = dict(re.findall(r'(\w+)="([^"]*)"', head))
        if head.split("{")[0] == name and all(found.get(k) == v for k, v in labels.items()):
            return float(value)
    return 0.0


def files_mentioning(root, *texts):
    """Paths below `root` whose name or content holds one of the texts."""
    wanted = [text.encode() for text in texts]
    found = []
    for path in pathlib.Path(root).rglob("*"):
        if any(text in str(path.relative_to(root)) for text in texts):
            found.append(path)
        elif path.is_file() and not path.is_symlink():
            try:
                data = path.read_bytes()
            except OSError:
                continue
            if any(text in data for text in wanted):
                found.append(path)
    return found
