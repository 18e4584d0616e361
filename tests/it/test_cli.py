# SPDX-License-Identifier: Apache-2.0
"""The CLI against a real server."""
import base64
import http.server
import json
import os
import signal
import subprocess
import threading
import time
import urllib.parse

import pytest

import wardian
from cli_rig import Cli
from wardian import python_job

JOB = "job_01jd0000000000000000000000"


@pytest.fixture
def cli(daemon, tenant_a):
    """cli(words...) -> CompletedProcess with text output."""
    def run(*words, key=tenant_a, url=None, env=None, **options):
        environment = {"PATH": "/usr/bin:/bin", "WARDIAN_URL": url or f"http://127.0.0.1:{daemon.port}"}
        if key is not None:
            environment["WARDIAN_API_KEY"] = key
        environment.update(env or {})
        return subprocess.run([str(wardian.BUILD / "wardian"), *words], env=environment, timeout=120,
                              capture_output=True, text=True, check=False, **options)
    return run


def test_submit_follow_prints_the_log_and_the_end(cli, tmp_path):
    script = tmp_path / "main.py"
    script.write_text("print('hello from inside')\n")
    out = cli("job", "submit", "python", "--input", str(script), "--param", "script=main.py", "--follow")
    assert out.returncode == 0, out.stderr
    assert "hello from inside" in out.stdout and "succeeded" in out.stdout


def test_submit_wait_exits_8_when_the_job_fails(cli, tmp_path):
    script = tmp_path / "main.py"
    script.write_text("raise SystemExit(1)\n")
    out = cli("job", "submit", "python", "--input", str(script), "--param", "script=main.py", "--wait")
    assert out.returncode == 8 and "failed" in out.stdout


def test_list_parameters_become_arguments_in_order(cli, tmp_path):
    script = tmp_path / "main.py"
    script.write_text("import sys\nprint(sys.argv[1:])\n")
    out = cli("job", "submit", "python", "--input", str(script), "--param", "script=main.py",
              "--param", "arguments=one", "--param", "arguments=two words", "--follow")
    assert "['one', 'two words']" in out.stdout, out.stderr


def test_binary_inputs_arrive_exactly(cli, tmp_path):
    (tmp_path / "main.py").write_text("print(open('data.bin', 'rb').read() == bytes(range(256)))\n")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)))
    out = cli("job", "submit", "python", "--input", f"{tmp_path}/main.py", "--input", f"{tmp_path}/data.bin",
              "--param", "script=main.py", "--follow")
    assert "True" in out.stdout, out.stderr


def test_a_manifest_file_is_sent_with_the_options_added(cli, tmp_path):
    manifest = tmp_path / "job.json"
    manifest.write_text(json.dumps({"environment": "python", "parameters": {"script": "main.py"}}))
    (tmp_path / "main.py").write_text("print('from a manifest')\n")
    out = cli("job", "submit", "--manifest", str(manifest), "--input", f"{tmp_path}/main.py", "--name", "named", "--follow")
    assert out.returncode == 0 and "from a manifest" in out.stdout, out.stderr


def test_json_output_is_the_servers_answer(cli, daemon, tenant_a):
    job = daemon.run(tenant_a, python_job("print(1)"))
    shown = json.loads(cli("job", "get", job["id"], "-o", "json").stdout)
    assert shown == daemon.json("GET", f"/v1/jobs/{job['id']}", tenant_a)


def test_tables_are_tab_separated_when_piped(cli, daemon, tenant_a):
    job = daemon.run(tenant_a, python_job("open('a.txt', 'w').write('abc')"))
    rows = [line.split("\t") for line in cli("job", "list").stdout.splitlines()]
    assert job["id"] in [row[0] for row in rows]
    files = [line.split("\t") for line in cli("job", "files", job["id"]).stdout.splitlines()]
    assert ["a.txt", "3"] in [row[:2] for row in files]
    assert cli("job", "download", job["id"], "a.txt").stdout == "abc"


def test_exit_statuses_follow_the_error(cli, daemon, tenant_a):
    unknown = "job_01jd0000000000000000000000"
    assert cli("job", "get", unknown).returncode == 3
    assert cli("job", "get", "nonsense").returncode == 2
    assert cli("job", "list", key="wdn_sk_wrong").returncode == 4
    assert cli("job", "list", url="http://127.0.0.1:1").returncode == 7
    assert cli("job", "frobnicate").returncode == 2
    assert cli("job", "get").returncode == 2
    assert cli("job", "list", "--nonsense").returncode == 2
    done = daemon.run(tenant_a, python_job("pass"))
    assert cli("job", "cancel", done["id"]).returncode == 5


def test_faults_of_a_manifest_are_listed_with_their_places(cli, tmp_path):
    out = cli("job", "submit", "pyton", "--cpus", "0")
    assert out.returncode in (2, 3)
    assert "python" in out.stderr


def test_env_list_and_status(cli):
    names = [line.split("\t")[0] for line in cli("env", "list").stdout.splitlines()]
    assert {"ngspice", "calculix", "lammps", "python"} <= set(names)
    out = cli("status")
    assert out.returncode == 0 and "ready" in out.stdout and "alpha" in out.stdout


def test_help_names_every_command(cli):
    text = cli("--help").stdout
    for words in ("job        submit", "job        logs", "env        list", "status"):
        assert words in text
    assert "Example" in cli("job", "submit", "--help").stdout


def test_wait_reports_a_timeout_and_the_job_goes_on(cli, daemon, tenant_a):
    job = daemon.submit(tenant_a, python_job("import time\ntime.sleep(3)"))
    out = cli("job", "wait", job, "--timeout", "1")
    assert out.returncode == 7 and "goes on" in out.stderr
    assert daemon.wait(tenant_a, job)["state"] == "succeeded"


# --- servers that lie, break off, or speak to the terminal ------------------------------------------


@pytest.fixture
def fake():
    """fake(answer) -> URL; answer(handler) speaks for the server.  fake.seen: (path, headers)."""
    servers = []

    def start(answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                start.seen.append((self.path, dict(self.headers)))
                answer(self)

            do_POST = do_GET

            def log_message(self, *_):
                pass

            def send(self, body, status=200, kind="application/json"):
                body = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    start.seen = []
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def on_terminal(home, url, *words):
    """Everything that the command writes to a terminal, and its exit status."""
    return Cli(home, url, key=None).on_terminal(*words)


def sse(*events):
    out = b""
    for event in events:
        if "id" in event:
            out += b"id: " + event["id"].encode() + b"\n"
        out += b"event: " + event["event"].encode() + b"\ndata: " + json.dumps(event["data"]).encode() + b"\n\n"
    return out


EVIL = "\x1b]0;owned\x07\x9b2J"


@pytest.mark.parametrize("words, answer, status", [
    (["job", "list"], {"data": [{"id": EVIL, "name": EVIL, "state": EVIL}], "next_cursor": None}, 200),
    (["job", "get", JOB], {"id": EVIL, "name": EVIL, "cause": {"kind": EVIL, "message": EVIL}}, 200),
    (["job", "cancel", JOB], {"state": EVIL}, 202),
    (["job", "files", JOB], {"data": [{"path": EVIL}]}, 200),
    (["job", "result", JOB], {"values": {EVIL: {"value": EVIL, "unit": EVIL}}}, 200),
    (["job", "list", "-o", "json"], {"data": "\x9b2J\x7f"}, 200),
    (["job", "get", JOB, "-o", "json"], b"\x1b[2J not even JSON", 200),
    (["job", "submit", "python"], {"id": EVIL}, 201),
    (["env", "get", "x"], {"name": EVIL, "title": EVIL, "parameters": [{"name": EVIL}]}, 200),
    (["status"], {"checks": [{"name": EVIL, "ok": False, "detail": EVIL}]}, 503),
    (["status"], {"title": EVIL, "code": EVIL, "detail": EVIL}, 401),
    (["user", "list"], {"data": [{"id": EVIL, "roles": [{"role": EVIL, "project": EVIL}], EVIL: EVIL}]}, 200),
    (["issuer", "get", "iss_01jd0000000000000000000000"], {"rules": [{EVIL: EVIL}], "jwks": {"keys": [{"kid": EVIL}]}}, 200),
    (["key", "create", "k"], {"id": EVIL, "key": EVIL}, 201),
    (["access", "check", "x:y"], {"allowed": True, "sentence": EVIL}, 200),
    (["auth", "status"], {"tenant_name": EVIL, "user": {"name": EVIL}}, 200),
    (["project", "create", "x", "-o", "json"], {"detail": EVIL, "code": "in-use"}, 409),
    (["job", "list"], {"detail": EVIL, "code": "bad-parameter",
                       "errors": [{"parameter": EVIL, "detail": EVIL}]}, 400),
    (["job", "list"], {"detail": EVIL, "code": "bad-header", "errors": [{"header": "If-Match" + EVIL}]}, 400),
])
def test_nothing_that_a_server_says_drives_the_terminal(fake, tmp_path, words, answer, status):
    out, _ = on_terminal(tmp_path, fake(lambda handler: handler.send(answer, status)), *words)
    assert out
    for sequence in (b"\x1b", b"\x07", b"\x7f", b"\xc2\x9b"):
        assert sequence not in out, out


def test_logs_on_a_terminal_show_control_characters_and_keep_text(fake, tmp_path):
    text = "caf\u00e9 \x1b[2J\x9b2J\tend\n"
    raw = text.encode() + b"\xff\n"

    def answer(handler):
        if "follow" not in handler.path:
            handler.send(raw, kind="text/plain")
        else:
            handler.send(sse({"id": "5", "event": "log", "data": {"offset": 0, "text": text}},
                             {"id": "9", "event": "log", "data": {"offset": 5, "base64": base64.b64encode(raw).decode()}},
                             {"event": "end", "data": {"state": "failed"}}), kind="text/event-stream")

    url = fake(answer)
    for words in (["job", "logs", JOB], ["job", "logs", JOB, "--follow"]):
        out, status = on_terminal(tmp_path, url, *words)
        assert status == 0
        assert "caf\u00e9 \\x1b[2J\\xc2\\x9b2J\tend".encode() in out and b"\x1b" not in out and b"\\xff" in out


def test_cells_are_whole_and_cannot_forge_rows(cli, fake):
    path = "d/" * 200 + "file"
    url = fake(lambda handler: handler.send({"data": [{"path": path}, {"path": "a\nb\tc"}]}))
    lines = cli("job", "files", JOB, url=url).stdout.splitlines()
    assert len(lines) == 2 and all(line.count("\t") == 2 for line in lines)
    assert lines[0].split("\t")[0] == path


def test_a_broken_stream_is_resumed_where_it_broke(cli, fake):
    parts = [sse({"id": "3", "event": "log", "data": {"offset": 0, "text": "abc"}}),
             sse({"id": "5", "event": "log", "data": {"offset": 3, "text": "de"}},
                 {"event": "attempt", "data": {"attempt": 2}},
                 {"id": "2.2", "event": "log", "data": {"offset": 0, "text": "AB"}}),
             sse({"id": "3.1", "event": "log", "data": {"offset": 0, "text": "x"}},
                 {"id": "end", "event": "end", "data": {"state": "succeeded"}})]
    url = fake(lambda handler: handler.send(parts[len(fake.seen) - 1], kind="text/event-stream"))
    out = cli("job", "logs", JOB, "--follow", "--tail", "7", url=url)
    assert out.returncode == 0 and out.stdout == "abcdeABx", out
    assert "tail=7" in fake.seen[0][0] and "Last-Event-ID" not in fake.seen[0][1]
    for (path, headers), wanted in zip(fake.seen[1:], ("3", "2.2")):
        assert headers["Last-Event-ID"] == wanted and "offset" not in path and "tail" not in path
    assert out.stderr.count("runs again") == 2 and "attempt 2" in out.stderr


def test_an_event_id_cannot_smuggle_a_header(cli, fake):
    first = b"id: 1\rX-Evil: yes\nevent: log\ndata: {\"text\":\"a\"}\n\n"
    end = sse({"id": "end", "event": "end", "data": {}})
    url = fake(lambda handler: handler.send(first if len(fake.seen) == 1 else end, kind="text/event-stream"))
    assert cli("job", "logs", JOB, "--follow", url=url).returncode == 0
    assert all("X-Evil" not in headers for _, headers in fake.seen)


def test_following_an_absent_server_fails_at_once(cli):
    began = time.monotonic()
    out = cli("job", "logs", JOB, "--follow", url="http://127.0.0.1:1")
    assert out.returncode == 7 and time.monotonic() - began < 5


def test_a_log_larger_than_a_piece_is_printed_whole(cli, fake):
    log = b"".join(b"line %d\n" % i for i in range(900_000))

    def answer(handler):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
        offset = int(query["offset"][0])
        handler.send(log[offset:offset + int(query["limit"][0])], kind="text/plain")

    out = cli("job", "logs", JOB, url=fake(answer))
    assert out.stdout.encode() == log and len(fake.seen) > 1


def test_a_list_whose_cursor_leads_nowhere_ends(cli, fake):
    url = fake(lambda handler: handler.send({"data": [], "next_cursor": "a&b c"}))
    out = cli("job", "list", "--all", url=url)
    assert out.returncode == 1 and len(fake.seen) == 2
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(fake.seen[1][0]).query) == {"cursor": ["a&b c"]}


def test_a_wait_sits_out_an_absence_of_the_server(cli, fake):
    def answer(handler):
        if len(fake.seen) in (2, 3):
            handler.close_connection = True
            return
        handler.send({"state": "running" if len(fake.seen) == 1 else "succeeded"})

    out = cli("job", "wait", JOB, url=fake(answer))
    assert out.returncode == 0 and "succeeded" in out.stdout, out
    assert cli("job", "wait", JOB, url="http://127.0.0.1:1").returncode == 7


@pytest.mark.parametrize("form", [[], ["-o", "json"]])
def test_status_of_a_server_that_is_not_ready_is_told_at_once(cli, fake, form):
    url = fake(lambda handler: handler.send({"status": "unavailable", "checks": []}, 503))
    began = time.monotonic()
    out = cli("status", *form, url=url, key=None)
    assert out.returncode == 7 and time.monotonic() - began < 10
    assert [path for path, _ in fake.seen].count("/readyz?verbose=true") == 1


@pytest.mark.parametrize("body", [b"", b"abc", b"[]", b'{"data":[1,null,"x"]}', b'{"data":"x"}',
                                  b'{"values":[1,2],"data":{"a":[1]},"checks":{"b":1},"id":7}'])
@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_no_answer_however_malformed_is_more_than_an_error(cli, fake, body, status):
    url = fake(lambda handler: handler.send(body, status))
    for words in (["job", "list"], ["job", "get", JOB], ["job", "cancel", JOB], ["job", "wait", JOB],
                  ["job", "files", JOB], ["job", "result", JOB], ["job", "metrics", JOB, "s"],
                  ["job", "events", JOB], ["env", "list"], ["env", "get", "x"], ["status"],
                  ["job", "submit", "python", "--param", "a=1"], ["user", "list", "--all"], ["key", "create", "k"],
                  ["issuer", "get", "x"], ["role", "assign", "r", "--user", "u"], ["quota", "get"], ["auth", "status"],
                  ["role", "unassign", "r", "--user", "usr_01jd0000000000000000000000"], ["tenant", "isolation"],
                  ["tenant", "self"], ["operation", "wait", "x"], ["access", "check", "a:b"], ["auth", "token"]):
        out = cli(*words, url=url)
        assert 0 <= out.returncode <= 8 and "Sanitizer" not in out.stderr, (words, out)
        if body in (b"", b"abc") or status != 200:
            assert out.returncode == 1 and out.stdout == "", (words, out)


# --- standard output ----------------------------------------------------------------------------------


def test_a_full_or_closed_standard_output_is_an_error(daemon, tenant_a):
    env = {"PATH": "/usr/bin:/bin", "WARDIAN_URL": f"http://127.0.0.1:{daemon.port}", "WARDIAN_API_KEY": tenant_a}
    program = str(wardian.BUILD / "wardian")
    for target in (">/dev/full", ">&-"):
        for words in ("env list", "env list -o json", "env get python", "--help"):
            out = subprocess.run(["sh", "-c", f"exec {program} {words} {target}"], env=env, timeout=60,
                                 stderr=subprocess.PIPE, text=True, check=False)
            assert out.returncode == 1 and "standard output" in out.stderr, (target, words, out)


def test_a_follower_ends_when_its_reader_leaves(fake):
    stop = threading.Event()

    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            for i in range(1, 600):
                handler.wfile.write(sse({"id": str(i), "event": "log", "data": {"text": "x\n"}}))
                if stop.wait(0.02):
                    return
        except OSError:
            pass

    with subprocess.Popen([str(wardian.BUILD / "wardian"), "job", "logs", JOB, "--follow"], text=True,
                          env={"WARDIAN_URL": fake(answer)}, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == "x\n"
        process.stdout.close()
        try:
            assert process.wait(10) == -signal.SIGPIPE
            assert process.stderr.read() == ""
        finally:
            stop.set()


def test_a_failed_download_leaves_the_file_alone(cli, daemon, tenant_a, tmp_path):
    job = daemon.run(tenant_a, python_job("open('empty', 'w')"))["id"]
    kept = tmp_path / "kept"
    kept.write_text("precious")
    assert cli("job", "download", job, "absent", "--output", str(kept)).returncode == 3
    assert kept.read_text() == "precious"
    assert cli("job", "download", job, "empty", "--output", str(kept)).returncode == 0
    assert kept.read_text() == ""


# --- arguments ----------------------------------------------------------------------------------------


def test_a_label_filter_without_a_value_is_refused_rather_than_ignored(cli):
    out = cli("job", "list", "--label", "team")
    assert out.returncode == 2 and "NAME=VALUE" in out.stderr
    assert cli("job", "list", "--label", "team=a b&c").returncode == 0


def test_global_options_take_their_value_after_an_equals_sign(cli, daemon):
    out = cli("env", "list", f"--server=http://127.0.0.1:{daemon.port}", "--output-format=json", url="http://127.0.0.1:1")
    assert out.returncode == 0 and json.loads(out.stdout)["data"]


def test_help_of_a_noun_lists_its_commands(cli):
    out = cli("job", "--help")
    assert out.returncode == 0 and "submit" in out.stdout and "env " not in out.stdout


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX-Evil: 1", "k" * 256], ids=["empty", "blank", "header", "long"])
def test_an_idempotency_key_that_is_no_header_value_is_refused(cli, key):
    assert cli("job", "submit", "python", "--idempotency-key", key).returncode == 2


def test_inputs_may_be_links_and_a_manifest_may_come_from_a_pipe(cli, tmp_path):
    (tmp_path / "real.py").write_text("print('through a link')\n")
    (tmp_path / "main.py").symlink_to("real.py")
    manifest = json.dumps({"environment": "python", "parameters": {"script": "main.py"}})
    out = cli("job", "submit", "--manifest", "-", "--input", f"{tmp_path}/main.py", "--follow", input=manifest)
    assert out.returncode == 0 and "through a link" in out.stdout, out.stderr


def test_an_empty_manifest_is_refused(cli, tmp_path):
    (tmp_path / "empty.json").write_text("")
    out = cli("job", "submit", "--manifest", f"{tmp_path}/empty.json")
    assert out.returncode == 2 and "empty" in out.stderr
