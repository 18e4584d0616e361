# SPDX-License-Identifier: Apache-2.0
"""What a job leaves: log as bytes and as a stream, files and ranges, result, series."""

import base64
import http.client
import json
import threading
import time

import pytest

from test_api_contract import decoded, problem, run_job, submit, wait_until

SCRIPT = r"""
echo out-1; echo ERR-1 >&2; sleep 0.05; echo out-2; sleep 0.05; echo ERR-2 >&2; sleep 0.05
printf 'gr\303\274n \360\237\232\200\n'; sleep 0.05; printf '\377\376' >&2; sleep 0.05; echo
mkdir -p sub/deep; printf 0123456789 > digits.txt; printf 'x y' > 'sub/deep/n\303\244me %.bin'
ln -s /etc/passwd link; : > empty
"""
STDOUT = "out-1\nout-2\ngrün 🚀\n\n".encode()
STDERR = b"ERR-1\nERR-2\n\xff\xfe"


@pytest.fixture(scope="module")
def job(api, tenant_a):
    """A finished job with something on both streams and some files."""
    # printf of sh knows octal escapes, but not inside of quotes.
    script = SCRIPT.replace("'sub/deep/n\\303\\244me %.bin'", "\"$(printf 'sub/deep/n\\303\\244me %%.bin')\"")
    doc = run_job(api, tenant_a, script)
    assert doc["state"] == "succeeded", doc
    return doc["id"]


@pytest.fixture(scope="module")
def whole(api, tenant_a, job):
    status, headers, body = api("GET", f"/v1/jobs/{job}/log", key=tenant_a)
    assert status == 200
    return body


@pytest.fixture
def sleeper(api, tenant_a):
    job = submit(api, tenant_a, "echo begun; sleep 300")["id"]
    yield job
    api("POST", f"/v1/jobs/{job}/cancel", key=tenant_a)


# --- the log as bytes ----------------------------------------------------------------------------------

def test_the_log_is_exactly_what_was_written(api, tenant_a, job, whole):
    assert sorted(whole) == sorted(STDOUT + STDERR)
    headers = api("GET", f"/v1/jobs/{job}/log", key=tenant_a)[1]
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["x-log-offset"] == "0" and headers["x-log-complete"] == "true"
    assert headers["x-log-size"] == headers["x-log-next"] == str(len(whole))


def test_the_log_is_read_on_by_offset(api, tenant_a, job, whole):
    got, offset = b"", 0
    while True:
        status, headers, body = api("GET", f"/v1/jobs/{job}/log?offset={offset}&limit=7", key=tenant_a)
        assert status == 200 and len(body) <= 7
        got, offset = got + body, int(headers["x-log-next"])
        if headers["x-log-complete"] == "true":
            break
        assert body
    assert got == whole
    beyond = api("GET", f"/v1/jobs/{job}/log?offset=1000000", key=tenant_a)
    assert beyond[2] == b"" and beyond[1]["x-log-complete"] == "true"


def test_one_stream_can_be_read_alone(api, tenant_a, job):
    for stream, want in (("stdout", STDOUT), ("stderr", STDERR)):
        assert api("GET", f"/v1/jobs/{job}/log?stream={stream}", key=tenant_a)[2] == want
        got, offset = b"", 0
        while True:
            _, headers, body = api("GET", f"/v1/jobs/{job}/log?stream={stream}&limit=3&offset={offset}",
                                   key=tenant_a)
            got, offset = got + body, int(headers["x-log-next"])
            if headers["x-log-complete"] == "true":
                break
        assert got == want


def test_the_last_lines_can_be_read(api, tenant_a, job):
    def tail(query):
        return api("GET", f"/v1/jobs/{job}/log?{query}", key=tenant_a)[2]

    assert tail("stream=stdout&tail=2") == "grün 🚀\n\n".encode()
    assert tail("stream=stderr&tail=2") == b"ERR-2\n\xff\xfe"
    assert tail("stream=stdout&tail=10000") == STDOUT
    assert tail("tail=0") == b""


def test_a_live_log_is_not_complete(api, tenant_a, sleeper):
    if wait_until(api, tenant_a, sleeper, states=("running",), seconds=30)["state"] != "running":
        pytest.skip("jobs do not start here")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        status, headers, body = api("GET", f"/v1/jobs/{sleeper}/log", key=tenant_a)
        assert status == 200 and headers["x-log-complete"] == "false"
        if body == b"begun\n":
            return
        time.sleep(0.1)
    pytest.fail("the line never came")


@pytest.mark.parametrize("query", [
    "offset=-1", "offset=x", "limit=0", "tail=-1", "tail=10001", "tail=x", "stream=both", "stream=",
    "follow=yes", "follow=", "offset=1&tail=1", "offset=1&offset=1", "tails=3"])
def test_bad_log_parameters_are_refused(api, tenant_a, job, query):
    problem(api("GET", f"/v1/jobs/{job}/log?{query}", key=tenant_a), 400, "bad-parameter")


# --- the log as a stream ---------------------------------------------------------------------------------

class Stream:
    """A reader of server-sent events."""

    def __init__(self, daemon, key, path, headers=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=40)
        self.connection.request("GET", path, headers={
            "Authorization": "Bearer " + key, "Accept": "text/event-stream", **(headers or {})})
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def __iter__(self):
        event = {}
        for line in self.response:
            line = line.decode().rstrip("\n")
            if line == "":
                if "data" in event:
                    yield event["event"], event.get("id"), json.loads(event["data"])
                event = {}
            elif not line.startswith(":"):
                name, value = line.split(": ", 1)
                event[name] = value


def payload(data):
    return data["text"].encode() if "text" in data else base64.b64decode(data["base64"])


def follow(daemon, key, path, headers=None):
    with Stream(daemon, key, path, headers) as stream:
        assert stream.status == 200
        return list(stream)


def test_following_a_finished_job_sends_all_and_ends(daemon, tenant_a, job, whole):
    events = follow(daemon, tenant_a, f"/v1/jobs/{job}/log?follow=sse")
    assert b"".join(payload(data) for name, _, data in events if name == "log") == whole
    assert events[-1] == ("end", "end", {"job_id": job, "state": "succeeded"})
    offset = 0
    for name, event_id, data in events[:-1]:
        assert name == "log" and data["offset"] == offset
        offset += len(payload(data))
        assert event_id == str(offset)


def test_a_stream_has_the_headers_of_one(daemon, tenant_a, job):
    with Stream(daemon, tenant_a, f"/v1/jobs/{job}/log?follow=sse") as stream:
        headers = {k.lower(): v for k, v in stream.response.getheaders()}
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["x-accel-buffering"] == "no"
        assert "no-store" in headers["cache-control"]
        assert "content-length" not in headers


def test_a_stream_goes_on_after_the_last_event_seen(daemon, tenant_a, job, whole):
    path = f"/v1/jobs/{job}/log?follow=sse"
    first = follow(daemon, tenant_a, path)[0]
    seen = int(first[1])
    for offset in (0, 3, seen, len(whole)):
        events = follow(daemon, tenant_a, path, {"Last-Event-ID": str(offset)})
        assert b"".join(payload(d) for n, _, d in events if n == "log") == whole[offset:]
        events = follow(daemon, tenant_a, f"{path}&offset={offset}")
        assert b"".join(payload(d) for n, _, d in events if n == "log") == whole[offset:]


def test_after_the_end_there_is_no_content(api, tenant_a, job):
    answer = api("GET", f"/v1/jobs/{job}/log?follow=sse", key=tenant_a,
                 headers={"Last-Event-ID": "end"})
    assert (answer[0], answer[2]) == (204, b"")


def test_one_stream_and_the_last_lines_can_be_followed(daemon, tenant_a, job):
    events = follow(daemon, tenant_a, f"/v1/jobs/{job}/log?follow=sse&stream=stdout")
    assert b"".join(payload(d) for n, _, d in events if n == "log") == STDOUT
    events = follow(daemon, tenant_a, f"/v1/jobs/{job}/log?follow=sse&stream=stderr&tail=1")
    assert b"".join(payload(d) for n, _, d in events if n == "log") == b"\xff\xfe"


@pytest.mark.parametrize("bad", ["x", "-1", "1.2.3", "end2", '"1"'])
def test_malformed_event_ids_are_refused(api, tenant_a, job, bad):
    answer = api("GET", f"/v1/jobs/{job}/log?follow=sse", key=tenant_a, headers={"Last-Event-ID": bad})
    assert problem(answer, 400, "bad-header")["errors"][0]["header"] == "Last-Event-ID"


def test_lines_arrive_while_the_job_runs(api, daemon, tenant_a):
    job = submit(api, tenant_a, "for i in 1 2 3 4; do echo line-$i; sleep 0.4; done")["id"]
    arrivals = []
    with Stream(daemon, tenant_a, f"/v1/jobs/{job}/log?follow=sse") as stream:
        for name, _, data in stream:
            if name == "log":
                arrivals += [(time.monotonic(), line) for line in data["text"].split()]
            elif name == "end" and data["state"] != "succeeded":
                pytest.skip("jobs do not run here")
    assert [line for _, line in arrivals] == ["line-1", "line-2", "line-3", "line-4"]
    assert arrivals[-1][0] - arrivals[0][0] > 0.8


def test_a_canceled_job_ends_its_streams(api, daemon, tenant_a, sleeper):
    with Stream(daemon, tenant_a, f"/v1/jobs/{sleeper}/log?follow=sse") as stream:
        api("POST", f"/v1/jobs/{sleeper}/cancel", key=tenant_a)
        events = list(stream)
    assert events[-1][0] == "end" and events[-1][2]["state"] == "canceled"


def test_streams_do_not_hold_workers(api, daemon, tenant_a, sleeper):
    streams = [Stream(daemon, tenant_a, f"/v1/jobs/{sleeper}/log?follow=sse") for _ in range(40)]
    try:
        assert all(stream.status == 200 for stream in streams)
        started = time.monotonic()
        for _ in range(10):
            assert api("GET", "/v1/me", key=tenant_a)[0] == 200
        assert time.monotonic() - started < 5
    finally:
        for stream in streams:
            stream.connection.close()


def test_a_tenant_has_only_so_many_streams_and_gets_them_back(own_daemon):
    daemon = own_daemon("--quota.streams=2")
    key, other = daemon.bootstrap("one")[1], daemon.bootstrap("two")[1]
    job = submit(daemon.request, key, "sleep 300")["id"]
    theirs = submit(daemon.request, other, "sleep 300")["id"]
    path = f"/v1/jobs/{job}/log?follow=sse"
    streams = [Stream(daemon, key, path) for _ in range(2)]
    for refused in (path, f"/v1/jobs/{job}?wait=30s"):
        answer = daemon.request("GET", refused, key=key)
        assert problem(answer, 429, "quota-exceeded")["retryable"] and answer[1]["retry-after"]
    with Stream(daemon, other, f"/v1/jobs/{theirs}/log?follow=sse") as stream:
        assert stream.status == 200
    for done in (job, theirs):
        daemon.request("POST", f"/v1/jobs/{done}/cancel", key=key if done == job else other)
    for stream in streams:
        assert list(stream)[-1][0] == "end"
        stream.connection.close()
    end = time.monotonic() + 10
    while daemon.request("GET", path, key=key)[0] != 200:
        assert time.monotonic() < end


def test_a_stopping_daemon_ends_streams_and_answers_long_polls(own_daemon):
    daemon = own_daemon()
    key = daemon.bootstrap("one")[1]
    job = submit(daemon.request, key, "sleep 300")["id"]
    state = wait_until(daemon.request, key, job, states=("running",), seconds=20)["state"]
    answers = []
    polling = threading.Thread(target=lambda: answers.append(
        daemon.request("GET", f"/v1/jobs/{job}?wait=60s", key=key, timeout=40)))
    with Stream(daemon, key, f"/v1/jobs/{job}/log?follow=sse") as stream:
        polling.start()
        time.sleep(0.5)
        started = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - started < 15
        assert "end" not in [name for name, _, _ in stream]
    polling.join()
    assert decoded(answers[0], 200)["state"] == state
    daemon.start()
    daemon.request("POST", f"/v1/jobs/{job}/cancel", key=key)
    wait_until(daemon.request, key, job)


# --- files -----------------------------------------------------------------------------------------------

NAME = "sub/deep/näme %.bin"


def test_files_are_listed_with_size_and_place(api, tenant_a, job):
    doc = decoded(api("GET", f"/v1/jobs/{job}/files", key=tenant_a), 200)
    rows = {row["path"]: row for row in doc["data"]}
    assert set(rows) == {"digits.txt", NAME, "empty"} and not doc["has_more"]
    assert [row["path"] for row in doc["data"]] == sorted(rows, key=str.encode)
    assert rows["digits.txt"]["size_bytes"] == 10 and rows["empty"]["size_bytes"] == 0
    for row in rows.values():
        answer = api("GET", row["href"], key=tenant_a)
        assert (answer[0], len(answer[2])) == (200, row["size_bytes"])
    few = decoded(api("GET", f"/v1/jobs/{job}/files?limit=1", key=tenant_a), 200)
    assert len(few["data"]) == 1 and few["has_more"]


def test_a_file_is_served_as_a_harmless_download(api, tenant_a, job):
    status, headers, body = api("GET", f"/v1/jobs/{job}/files/digits.txt", key=tenant_a)
    assert (status, body) == (200, b"0123456789")
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''digits.txt"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["accept-ranges"] == "bytes" and headers["content-length"] == "10"


def test_a_name_is_escaped_but_for_its_slashes(api, tenant_a, job):
    path = f"/v1/jobs/{job}/files/sub/deep/n%C3%A4me%20%25.bin"
    status, headers, body = api("GET", path, key=tenant_a)
    assert (status, body) == (200, b"x y")
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''n%C3%A4me%20%25.bin"


@pytest.mark.parametrize("given, status, content_range, body", [
    ("bytes=0-0", 206, "bytes 0-0/10", b"0"),
    ("bytes=2-4", 206, "bytes 2-4/10", b"234"),
    ("bytes=7-", 206, "bytes 7-9/10", b"789"),
    ("bytes=7-100", 206, "bytes 7-9/10", b"789"),
    ("bytes=-3", 206, "bytes 7-9/10", b"789"),
    ("bytes=-100", 206, "bytes 0-9/10", b"0123456789"),
    ("bytes=10-", 416, "bytes */10", None),
    ("bytes=99999999999999999999-", 416, "bytes */10", None),
    ("bytes=-0", 416, "bytes */10", None),
    ("bytes=4-2", 200, None, b"0123456789"),
    ("bytes=0-1,3-4", 200, None, b"0123456789"),
    ("lines=0-1", 200, None, b"0123456789"),
    ("bytes=x", 200, None, b"0123456789")])
def test_ranges(api, tenant_a, job, given, status, content_range, body):
    answer = api("GET", f"/v1/jobs/{job}/files/digits.txt", key=tenant_a, headers={"Range": given})
    assert answer[0] == status
    assert answer[1].get("content-range") == content_range
    if body is None:
        problem(answer, 416, "range-not-satisfiable")
    else:
        assert answer[2] == body


def test_if_range_serves_the_part_of_the_same_version_only(api, tenant_a, job):
    path = f"/v1/jobs/{job}/files/digits.txt"
    tag = api("GET", path, key=tenant_a)[1]["etag"]
    for given, status in ((tag, 206), ('"other"', 200), ("W/" + tag, 200),
                          ("Mon, 23 Nov 2026 06:16:43 GMT", 200)):
        headers = {"Range": "bytes=1-2", "If-Range": given}
        assert api("GET", path, key=tenant_a, headers=headers)[0] == status, given
    assert api("GET", path, key=tenant_a, headers={"If-None-Match": tag})[0] == 304
    problem(api("GET", path, key=tenant_a, headers={"If-Match": '"x"'}), 412, "precondition-failed")


def test_head_tells_the_length_and_ignores_ranges(api, tenant_a, job):
    answer = api("HEAD", f"/v1/jobs/{job}/files/digits.txt", key=tenant_a, headers={"Range": "bytes=0-1"})
    assert (answer[0], answer[2], answer[1]["content-length"]) == (200, b"", "10")


def test_ranges_of_an_empty_file(api, tenant_a, job):
    path = f"/v1/jobs/{job}/files/empty"
    assert api("GET", path, key=tenant_a)[0] == 200
    answer = api("GET", path, key=tenant_a, headers={"Range": "bytes=0-"})
    assert answer[0] == 416 and answer[1]["content-range"] == "bytes */0"


@pytest.mark.parametrize("path", ["no-such", "link", "sub", "sub/deep", "digits.txt/x", "sub//deep",
                                  "digits.txt/", "/etc/passwd", "x" * 600, "%F0%9F%9A%80"])
def test_what_is_no_file_is_not_found(api, tenant_a, job, path):
    problem(api("GET", f"/v1/jobs/{job}/files/{path}", key=tenant_a), 404, "not-found")


@pytest.mark.parametrize("path", ["../log", "%2e%2e/log", "sub/./deep", "..%2f..%2flog", "%2Fetc%2Fpasswd",
                                  "a%5Cb", "sub%0adeep", "a%00b", "%ff", "%zz"])
def test_paths_that_mean_another_are_refused(api, tenant_a, job, path):
    problem(api("GET", f"/v1/jobs/{job}/files/{path}", key=tenant_a), 400, "bad-request")


# --- result and series ---------------------------------------------------------------------------------

def test_there_is_no_result_while_the_job_is_alive(api, tenant_a, sleeper):
    doc = problem(api("GET", f"/v1/jobs/{sleeper}/result", key=tenant_a), 409, "no-result-yet")
    assert not doc["retryable"]


def test_a_finished_job_has_a_result(api, tenant_a, job):
    doc = decoded(api("GET", f"/v1/jobs/{job}/result", key=tenant_a), 200)
    assert doc["job_id"] == job and doc["state"] == "succeeded"
    assert isinstance(doc["series"], dict)
    for value in doc["values"].values():
        assert ("value" in value) != ("missing" in value)
        assert ("reason" in value) == ("missing" in value)


def test_a_canceled_job_has_a_result_that_says_so(api, tenant_a, sleeper):
    api("POST", f"/v1/jobs/{sleeper}/cancel", key=tenant_a)
    wait_until(api, tenant_a, sleeper)
    assert decoded(api("GET", f"/v1/jobs/{sleeper}/result", key=tenant_a), 200)["state"] == "canceled"


def test_series_have_names_and_points(api, tenant_a, job):
    names = decoded(api("GET", f"/v1/jobs/{job}/metrics", key=tenant_a), 200)
    assert names["job_id"] == job
    for name, count in names["series"].items():
        doc = decoded(api("GET", f"/v1/jobs/{job}/metrics?name={name}&limit=100000", key=tenant_a), 200)
        assert len(doc["data"]) == count and not doc["has_more"]
    none = decoded(api("GET", f"/v1/jobs/{job}/metrics?name=no-such", key=tenant_a), 200)
    assert (none["name"], none["data"], none["has_more"]) == ("no-such", [], False)
    for query in ("name=", "limit=0", "name=" + "x" * 129):
        problem(api("GET", f"/v1/jobs/{job}/metrics?{query}", key=tenant_a), 400, "bad-parameter")
