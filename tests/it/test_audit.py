# SPDX-License-Identifier: Apache-2.0
"""The audit log from outside: pages, exports, verification at the server and without it."""
import csv
import datetime
import hashlib
import http.client
import io
import json
import socket
import subprocess
import urllib.parse
import uuid

import pytest

import wardian
from wardian import python_job, wait_for

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def uuid_of(text):
    """The bytes behind a TypeID."""
    value = 0
    for digit in text.split("_")[1]:
        value = value * 32 + ALPHABET.index(digit)
    return value.to_bytes(16, "big")


def micros(moment):
    """RFC 3339 as microseconds since 1970 in 8 bytes."""
    passed = datetime.datetime.fromisoformat(moment.replace("Z", "+00:00")) - EPOCH
    return (passed // datetime.timedelta(microseconds=1)).to_bytes(8, "big")


@pytest.fixture(scope="module")
def server():
    """A daemon that makes checkpoints every second."""
    daemon = wardian.Daemon(["--audit.checkpoint_interval=1s"]).start()
    yield daemon
    daemon.destroy()


class Tenant:
    """A tenant of its own, with some history."""
    count = 0

    def __init__(self, server):
        Tenant.count += 1
        self.server = server
        self.name = f"audited-{Tenant.count}"
        self.id, self.key = server.bootstrap(self.name)
        for _ in range(3):
            server.submit(self.key, python_job("print(1)"))

    def get(self, path, **more):
        return self.server.request("GET", path, self.key, **more)

    def json(self, path, expect=(200,)):
        return self.server.json("GET", path, self.key, expect=expect)

    def export(self, path="/v1/audit?format=ndjson"):
        status, _, body = self.get(path)
        assert status == 200, body
        return [json.loads(line) for line in body.decode().splitlines()]

    def uuid(self):
        return str(uuid.UUID(bytes=uuid_of(self.id)))

    def sql(self, text):
        """As the superuser of the private PostgreSQL, who may do what the daemon may not."""
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", f"{self.server.state}/postgres/socket",
                               "-U", "wardian_admin", "-d", "wardian", "-c", text], timeout=120, capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def sealed(self):
        """Waits for a checkpoint of the last entry; the lines."""
        head = self.json("/v1/audit/verify")["last"]

        def lines():
            found = self.get("/v1/audit/checkpoints")[2].decode().splitlines()
            return found if found and json.loads(found[-1])["number"] >= head else None
        return wait_for(lines, 20, f"a checkpoint of entry {head}")


@pytest.fixture
def tenant(server):
    return Tenant(server)


@pytest.fixture
def cli(tenant):
    def run(*words):
        return subprocess.run([str(wardian.BUILD / "wardian"), "audit", *words], timeout=120, capture_output=True,
                              env={"PATH": "/usr/bin:/bin", "WARDIAN_URL": f"http://127.0.0.1:{tenant.server.port}",
                                   "WARDIAN_API_KEY": tenant.key}, text=True, check=False)
    return run


# --- pages -----------------------------------------------------------------------------------------

def test_what_was_done_is_there_newest_first(tenant):
    page = tenant.json("/v1/audit")
    numbers = [row["number"] for row in page["data"]]
    assert numbers == sorted(numbers, reverse=True) and numbers[-1] == 1
    submitted = [row for row in page["data"] if row["action"] == "job.create"]
    assert len(submitted) == 3
    for row in submitted:
        assert row["resource"].startswith("job_") and row["outcome"] == "ok" and row["reason"] is None
        assert row["actor"]["type"] == "api_key" and row["actor"]["id"].startswith("key_")
        assert row["source"] == "127.0.0.1" and row["request_id"].startswith("req_")
        assert len(row["hash"]) == 64


def test_pages_join_in_both_directions(tenant):
    for order in ("asc", "desc"):
        seen, cursor = [], None
        while True:
            more = f"&cursor={urllib.parse.quote(cursor)}" if cursor else ""
            page = tenant.json(f"/v1/audit?order={order}&limit=2&action=job.create{more}")
            assert len(page["data"]) <= 2
            seen += [row["number"] for row in page["data"]]
            cursor = page["next_cursor"]
            assert page["has_more"] == (cursor is not None)
            if cursor is None:
                break
        assert len(seen) == 3 and seen == sorted(seen, reverse=order == "desc")


def test_filters_choose(tenant):
    everything = tenant.json("/v1/audit?order=asc")["data"]
    job = [row for row in everything if row["action"] == "job.create"][1]
    def numbers(query):
        return [row["number"] for row in tenant.json(f"/v1/audit?order=asc&action=job.create&{query}")["data"]]
    mine = numbers("")
    assert numbers(f"resource={job['resource']}") == [job["number"]]
    assert numbers(f"from={job['at']}") == mine[1:]
    assert numbers(f"to={job['at']}") == mine[:1]
    assert numbers(f"after={job['number']}") == mine[2:]
    assert numbers(f"actor={job['actor']['id']}") == mine
    assert numbers("actor=key_00000000000000000000000000") == []
    assert numbers("outcome=denied") == []
    assert len(tenant.json("/v1/audit?action=job.*")["data"]) == 3


def test_another_tenant_sees_nothing_of_it(server, tenant):
    other = Tenant(server)
    for path in ("/v1/audit", "/v1/audit?format=ndjson", "/v1/audit?format=csv"):
        body = other.get(path)[2].decode()
        assert tenant.id not in body
        for row in tenant.json("/v1/audit?action=job.create")["data"]:
            assert row["resource"] not in body


@pytest.mark.parametrize("query", [
    "from=yesterday", "to=2026-13-01T00:00:00Z", "actor=", "action=" + "x" * 64, "resource=" + "x" * 257,
    "outcome=perhaps", "after=-1", "after=x", "after=9223372036854775808", "order=up", "format=xml", "limit=0",
    "cursor=x", "what=ever", "actor=%00", "actor=%ff", "format=csv&limit=5", "format=ndjson&order=desc",
    "format=csv&cursor=x"])
def test_bad_parameters_are_refused(tenant, query):
    status, _, body = tenant.get(f"/v1/audit?{query}")
    assert status == 400, body


@pytest.mark.parametrize("query", ["from=0", "from=x", "from=1000000", "to=1", "from=1&from=2"])
def test_bad_parameters_of_a_verification_are_refused(tenant, query):
    assert tenant.get(f"/v1/audit/verify?{query}")[0] == 400


@pytest.mark.parametrize("text", ["' or 1=1 --", "%", "_", "\\", "key.%", "ä€🐛", "\u202e", "a" * 40, "null", "*", ".*"])
def test_texts_are_compared_and_mean_nothing_else(tenant, text):
    quoted = urllib.parse.quote(text)
    for name in ("actor", "resource", "action"):
        if len(text.encode()) <= 40:
            assert tenant.json(f"/v1/audit?{name}={quoted}")["data"] == []


# --- exports -------------------------------------------------------------------------------------------

def test_the_chain_of_an_export_can_be_computed_by_anybody(tenant):
    *entries, end = tenant.export()
    assert end["type"] == "end" and end["count"] == len(entries) and end["tenant"] == tenant.id
    before = hashlib.sha256(uuid_of(tenant.id)).digest()
    for number, line in enumerate(entries, 1):
        assert line["number"] == number
        before = hashlib.sha256(before + number.to_bytes(8, "big") + micros(line["at"])
                                + line["entry"].encode()).digest()
        assert before.hex() == line["hash"]
    assert end["head"] == {"number": entries[-1]["number"], "hash": entries[-1]["hash"]}


def test_entries_have_their_members_in_order(tenant):
    for line in tenant.export()[:-1]:
        entry = json.loads(line["entry"])
        assert list(entry) == ["action", "actor", "resource", "outcome", "reason", "source", "request_id", "changes"]
        assert list(entry["actor"])[:3] == ["type", "id", "name"]


def test_csv_reads_back(tenant):
    status, headers, body = tenant.get("/v1/audit", headers={"Accept": "text/csv"})
    assert status == 200 and headers["content-type"].startswith("text/csv")
    assert headers["content-length"] == str(len(body))
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    pages = {str(row["number"]): row for row in tenant.json("/v1/audit?order=asc")["data"]}
    assert [row["number"] for row in rows] == [str(n) for n in range(1, len(rows) + 1)]
    for row in rows:
        shown = pages[row["number"]]
        assert row["action"] == shown["action"] and row["hash"] == shown["hash"] and row["at"] == shown["at"]
        assert row["actor_id"] == shown["actor"]["id"] and row["resource"] == (shown["resource"] or "")


def test_accept_and_format_choose_the_form(tenant):
    for accept, form in (("application/x-ndjson", "application/x-ndjson"), ("*/*", "application/json"),
                         ("text/csv;q=0.5, application/json", "application/json")):
        assert tenant.get("/v1/audit", headers={"Accept": accept})[1]["content-type"].startswith(form)
    assert tenant.get("/v1/audit", headers={"Accept": "text/html"})[0] == 406
    assert "attachment" in tenant.get("/v1/audit?format=csv")[1]["content-disposition"]


def test_reading_is_recorded_once_a_minute(tenant):
    for _ in range(4):
        tenant.get("/v1/audit?action=audit.read")
    tenant.get("/v1/audit?action=audit.read&format=csv")
    tenant.get("/v1/audit/verify")
    reads = tenant.json("/v1/audit?action=audit.read&order=asc")["data"]
    assert [row["changes"] for row in reads] == [
        {"view": "list", "filter": {"action": "audit.read"}}, {"view": "export", "filter": {"action": "audit.read"}},
        {"view": "verify", "filter": {"from": 1}}]


FILL = """do $$ declare h bytea; m bigint; t timestamptz; entry text; begin
 select number, hash into m, h from wardian.audit_head where tenant_id = '%(id)s';
 for i in m + 1 .. m + %(n)d loop
  t := clock_timestamp();
  entry := '{"action":"fill.up","actor":{"type":"system","id":"system","name":null},"resource":"' || repeat('x', 200)
   || '","outcome":"ok","reason":null,"source":null,"request_id":null,"changes":null}';
  h := sha256(h || int8send(i) || int8send((extract(epoch from t) * 1000000)::bigint) || convert_to(entry, 'UTF8'));
  insert into wardian.audit_log (tenant_id, number, at, entry, hash) values ('%(id)s', i, t, entry, h);
 end loop;
 update wardian.audit_head set number = m + %(n)d, at = clock_timestamp(), hash = h where tenant_id = '%(id)s';
end $$"""


def test_one_export_at_a_time_until_it_is_read(server, tenant):
    tenant.sql(FILL % {"id": tenant.uuid(), "n": 30000})
    slow = socket.create_connection(("127.0.0.1", server.port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(f"GET /v1/audit?format=ndjson HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tenant.key}\r\n\r\n".encode())
    assert slow.recv(12) == b"HTTP/1.1 200"
    status, _, body = tenant.get("/v1/audit?format=csv")
    assert status == 429 and json.loads(body)["code"] == "rate-limited"
    assert Tenant(server).get("/v1/audit?format=csv")[0] == 200
    slow.close()
    wait_for(lambda: tenant.get("/v1/audit?format=csv")[0] == 200, 20, "the slot is free again")
    assert len(tenant.export()) > 30000
    assert not [path for path in (server.state / "spool").iterdir()]


# --- checkpoints and verification ----------------------------------------------------------------------

def signed_bytes(line):
    """What a checkpoint's signature covers, as the API's description says."""
    fields = [b"wardian audit checkpoint 1", uuid_of(line["tenant"]), line["number"].to_bytes(8, "big"),
              micros(line["at"]), bytes.fromhex(line["hash"]), micros(line["made_at"]),
              uuid.UUID(line["node"]).bytes, bytes.fromhex(line["previous"])]
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def test_checkpoints_are_signed_and_linked(tenant, tmp_path):
    tenant.sealed()
    tenant.server.submit(tenant.key, python_job("print(1)"))
    lines = tenant.sealed()
    assert len(lines) >= 2
    keys = tenant.json("/v1/audit/keys")["keys"]
    der = bytes.fromhex("302a300506032b6570032100" + keys[0]["kid"])
    (tmp_path / "key.der").write_bytes(der)
    before = "0" * 64
    for text in lines:
        line = json.loads(text)
        assert line["tenant"] == tenant.id and line["previous"] == before and line["key"] == keys[0]["kid"]
        (tmp_path / "signed").write_bytes(signed_bytes(line))
        (tmp_path / "signature").write_bytes(bytes.fromhex(line["signature"]))
        checked = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey",
                                  tmp_path / "key.der", "-rawin", "-in", tmp_path / "signed", "-sigfile",
                                  tmp_path / "signature"], capture_output=True, text=True, check=False)
        assert "Verified Successfully" in checked.stdout + checked.stderr, checked
        before = hashlib.sha256(text.encode()).hexdigest()
    last = json.loads(lines[-1])["number"]
    assert tenant.get(f"/v1/audit/checkpoints?after={last}")[2] == b""
    assert tenant.get(f"/v1/audit/checkpoints?after={last - 1}")[2].decode().splitlines() == lines[-1:]


def test_a_whole_log_is_found_whole(tenant):
    lines = tenant.sealed()
    verdict = tenant.json("/v1/audit/verify")
    assert verdict["ok"] and verdict["problems"] == [] and verdict["first"] == 1
    assert verdict["checkpoints"]["checked"] >= len(lines)
    assert tenant.json("/v1/audit/verify?from=2")["ok"]


def test_tampering_is_named_by_the_server_and_by_the_cli(tenant, cli):
    tenant.sql(f"update wardian.audit_log set entry = replace(entry, 'job.create', 'job.nothing') "
               f"where tenant_id = '{tenant.uuid()}' and number = 4")
    verdict = tenant.json("/v1/audit/verify")
    assert not verdict["ok"]
    assert [(p["kind"], p["number"]) for p in verdict["problems"]] == [("modified", 4)]
    out = cli("verify")
    assert out.returncode == 8 and out.stdout.startswith("modified\t4\t")
    assert cli("verify", "--from", "5").returncode == 0


def test_a_log_that_went_back_is_known_by_its_checkpoints(server, tenant, tmp_path, cli):
    def rollbacks():
        text = server.request("GET", "/metrics")[2].decode()
        return int([line for line in text.splitlines() if line.startswith("wardian_audit_rollbacks_total")][0].split()[-1])
    before = rollbacks()
    (tmp_path / "checkpoints").write_text("\n".join(tenant.sealed()) + "\n")
    tenant.sql(f"""delete from wardian.audit_log where tenant_id = '{tenant.uuid()}' and number > 3;
        update wardian.audit_head h set (number, at, hash) = (select number, at, hash from wardian.audit_log a
            where a.tenant_id = h.tenant_id and a.number = 3) where h.tenant_id = '{tenant.uuid()}'""")
    assert cli("export", "--output", str(tmp_path / "log")).returncode == 0
    assert cli("verify", "--file", str(tmp_path / "log")).returncode == 0  # whole in itself
    out = cli("verify", "--file", str(tmp_path / "log"), "--checkpoints", str(tmp_path / "checkpoints"))
    assert out.returncode == 8 and out.stdout.startswith("rolled-back\t")
    verdict = tenant.json("/v1/audit/verify")
    assert [p["kind"] for p in verdict["problems"]] == ["rolled-back"]
    wait_for(lambda: rollbacks() > before, 20, "the rollback is counted")
    assert any("gone back" in line.get("msg", "") for line in server.log_lines())


def test_a_log_without_its_head_can_still_be_verified(tenant):
    tenant.sql(f"delete from wardian.audit_head where tenant_id = '{tenant.uuid()}'")
    assert [p["kind"] for p in tenant.json("/v1/audit/verify")["problems"]][0] == "missing"
    status, _, body = tenant.get("/v1/audit?format=csv")
    assert status == 409 and json.loads(body)["code"] == "conflict"


# --- the CLI ---------------------------------------------------------------------------------------------

@pytest.fixture
def saved(tenant, tmp_path, cli):
    """An exported log with the checkpoints and the key of its server."""
    (tmp_path / "key").write_text(json.dumps(tenant.json("/v1/audit/keys")))
    tenant.sealed()
    assert cli("export", "--format", "ndjson", "--output", str(tmp_path / "log")).returncode == 0
    assert cli("checkpoints", "--output", str(tmp_path / "checkpoints")).returncode == 0
    return tmp_path


def offline(cli, saved, *more):
    return cli("verify", "--file", str(saved / "log"), *more)


def test_a_saved_log_is_verified_without_a_server(saved, cli):
    out = offline(cli, saved, "--checkpoints", str(saved / "checkpoints"), "--key", str(saved / "key"))
    assert out.returncode == 0, out
    assert out.stdout.startswith("whole: entries 1 to ") and out.stderr == ""
    key = json.loads((saved / "key").read_text())["keys"][0]["kid"]
    assert offline(cli, saved, "--checkpoints", str(saved / "checkpoints"), "--key", key).returncode == 0
    assert key in offline(cli, saved, "--checkpoints", str(saved / "checkpoints")).stderr
    out = offline(cli, saved, "--checkpoints", str(saved / "checkpoints"), "--key", "00" * 32, "-o", "json")
    assert out.returncode == 8 and json.loads(out.stdout)["problems"][0]["kind"] == "checkpoint"


def swap(lines):
    lines[2], lines[3] = lines[3], lines[2]


def forge(lines):
    line = json.loads(lines[2])
    line["entry"] = line["entry"].replace("{", "{ ", 1)
    lines[2] = json.dumps(line)


def cut(lines):
    del lines[-1]


def shorten(lines):
    del lines[4:-1]


@pytest.mark.parametrize("damage, kind, number", [
    (forge, "modified", 3), (swap, "reordered", 3), (lambda lines: lines.pop(2), "missing", 3),
    (lambda lines: lines.insert(3, lines[2]), "inserted", 3), (cut, "truncated", None), (shorten, "truncated", 5),
    (lambda lines: lines.__setitem__(2, "{}"), "modified", 3), (lambda lines: lines.__setitem__(2, "\x00"), "modified", 3)])
def test_damage_to_a_saved_log_is_named(saved, cli, damage, kind, number):
    lines = (saved / "log").read_text().splitlines()
    damage(lines)
    (saved / "log").write_text("".join(line + "\n" for line in lines))
    out = offline(cli, saved)
    assert out.returncode == 8, out
    found = [(row.split("\t")[0], int(row.split("\t")[1])) for row in out.stdout.splitlines()]
    assert len(found) <= 3, found
    assert (kind, number) in found if number else kind in [row[0] for row in found]


def test_a_part_of_a_log_is_verified_as_one(tenant, tmp_path, cli):
    assert cli("export", "--after", "2", "--output", str(tmp_path / "log")).returncode == 0
    out = cli("verify", "--file", str(tmp_path / "log"))
    assert out.returncode == 0 and out.stdout.startswith("whole: entries 3 to ")
    assert cli("export", "--action", "job.*", "--output", str(tmp_path / "log")).returncode == 0
    out = cli("verify", "--file", str(tmp_path / "log"))
    assert out.returncode == 2 and "left out by a filter" in out.stderr


@pytest.mark.parametrize("content", [b"", b"\n", b"number,at\r\n1,x\r\n", b"\x00" * 9000, b"x" * 700000, b"[]\n", b"{}\n"],
                         ids=["empty", "blank", "csv", "zeros", "long", "array", "object"])
def test_other_files_are_refused(tmp_path, cli, content):
    (tmp_path / "log").write_bytes(content)
    out = cli("verify", "--file", str(tmp_path / "log"))
    assert out.returncode == 2 and "does not begin as an export" in out.stderr


def test_the_cli_lists_entries_and_refuses_misuse(cli, tmp_path):
    out = cli("list", "--action", "job.*", "--limit", "2")
    assert out.returncode == 0 and len(out.stdout.splitlines()) == 2
    assert "bootstrap\tjob.create\tjob_" in out.stdout
    assert cli("export", "--format", "xml").returncode == 2
    assert cli("verify", "--checkpoints", "x").returncode == 2
    assert cli("verify", "--file", str(tmp_path / "absent")).returncode == 1
    assert cli("list", "--from", "yesterday").returncode == 2


def test_a_restart_goes_on_with_the_same_key_and_trail(own_daemon):
    daemon = own_daemon("--audit.checkpoint_interval=1h")
    tenant = Tenant(daemon)
    key = tenant.json("/v1/audit/keys")
    def lines():
        return tenant.get("/v1/audit/checkpoints")[2].decode().splitlines()
    daemon.stop()
    daemon.start()
    first = lines()
    assert len(first) == 1
    tenant.server.submit(tenant.key, python_job("print(1)"))
    daemon.stop()
    daemon.start()
    assert tenant.json("/v1/audit/keys") == key
    assert tenant.json("/v1/audit/verify")["ok"]
    assert lines()[:1] == first and len(lines()) == 2
    path = next((daemon.state / "audit").glob("*.ndjson"))
    assert path.stat().st_mode & 0o777 == 0o640
    assert (daemon.state / "audit.key").stat().st_mode & 0o777 == 0o600


def test_heads_are_answered_without_bodies(tenant):
    for path in ("/v1/audit", "/v1/audit?format=csv", "/v1/audit/verify", "/v1/audit/checkpoints", "/v1/audit/keys"):
        connection = http.client.HTTPConnection("127.0.0.1", tenant.server.port, timeout=30)
        connection.request("HEAD", path, headers={"Authorization": f"Bearer {tenant.key}"})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read() == b""
        connection.close()
    assert tenant.get("/v1/audit?format=csv")[0] == 200  # the slot of the HEAD is free again
