# SPDX-License-Identifier: Apache-2.0
"""Contexts and credentials: where they come from, where they go, and who may read them."""
import json
import os
import re
import stat
import subprocess

import pytest

from cli_rig import KEY, PROGRAM, Cli, Stub, problem

TOKEN = "eyJhbGciOiJFUzI1NiJ9." + "x" * 3000 + ".c2ln"
LATER, EARLIER = "2999-01-01T00:00:00Z", "2000-01-01T00:00:00Z"
ME = {"tenant_id": "ten_1", "tenant_name": "acme", "key_id": "key_1", "key": "abc", "user": {"name": "alice"},
      "credential": {"type": "api_key", "expires_at": LATER}}


def answer(request):
    """A server that accepts KEY and TOKEN."""
    if request.headers.get("authorization") not in (f"Bearer {KEY}", f"Bearer {TOKEN}"):
        return problem(401, "unauthenticated", "The credential is not valid")
    if request.path == "/v1/auth/token":
        return 201, {"access_token": TOKEN, "expires_at": LATER, "id": "tok_1", "scope": ""}, {}
    if request.method == "DELETE" or request.path == "/v1/auth/revoke":
        return 204, b"", {}
    if request.path == "/v1/me/permissions":
        return {"everywhere": ["job:read", "job:create"], "projects": [{"project": "prj_1", "permissions": []}]}
    return {**ME, "data": [], "next_cursor": None, "checks": []}


@pytest.fixture
def server():
    made = Stub(answer)
    yield made
    made.close()


@pytest.fixture
def other():
    made = Stub(answer)
    yield made
    made.close()


@pytest.fixture
def cli(tmp_path):
    """A home without anything in it, and nothing in the environment."""
    return Cli(tmp_path, key=None)


def credentials_of(request):
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def login(cli, server, *words, key=KEY):
    out = cli("auth", "login", "--with-key", "-", "--server", server.url, *words, input=key + "\n")
    assert out.returncode == 0, out
    return out


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# --- login and logout --------------------------------------------------------------------------------


def test_login_stores_the_key_where_only_the_user_reads(cli, server):
    out = login(cli, server)
    assert "alice" in out.stderr and "acme" in out.stderr and KEY not in out.stdout + out.stderr
    assert mode(cli.folder) == 0o700 and mode(cli.folder / "credentials.toml") == 0o600
    assert mode(cli.folder / "config.toml") == 0o600
    assert KEY not in (cli.folder / "config.toml").read_text()
    assert sorted(path.name for path in cli.folder.iterdir()) == ["config.toml", "credentials.toml"]
    cli.ok("project", "list")
    assert credentials_of(server.seen[-1]) == KEY


def test_login_without_home_is_refused(cli, server):
    out = cli("auth", "login", "--with-key", "-", "--server", server.url, input=KEY, env={"HOME": None})
    assert out.returncode == 2 and "XDG_CONFIG_HOME" in out.stderr


def test_xdg_config_home_goes_before_home(cli, server, tmp_path):
    env = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert cli("auth", "login", "--with-key", "-", "--server", server.url, input=KEY, env=env).returncode == 0
    assert (tmp_path / "xdg" / "wardian" / "credentials.toml").exists() and not cli.folder.exists()
    assert cli("auth", "login", "--with-key", "-", "--server", server.url, input=KEY,
               env={"XDG_CONFIG_HOME": "relative"}).returncode == 0
    assert (cli.folder / "credentials.toml").exists()


@pytest.mark.parametrize("key", ["wdn_sk_wrong", "", "two words", "x" * 9000, "a\rX-Evil: 1"], ids=len)
def test_a_key_that_is_not_accepted_is_not_stored(cli, server, key):
    out = cli("auth", "login", "--with-key", "-", "--server", server.url, input=key)
    assert out.returncode in (2, 4) and not (cli.folder / "credentials.toml").exists()
    assert all("x-evil" not in request.headers for request in server.seen)


def test_login_asks_on_a_terminal_without_echo(cli, server):
    out, status = cli.on_terminal("auth", "login", "--server", server.url,
                                  typed=[("API key for", "wrong\x15" + KEY + "x\x7f\r")])
    assert status == 0 and KEY.encode() not in out and b"wrong" not in out and b"logged in" in out
    assert KEY in (cli.folder / "credentials.toml").read_text()


@pytest.mark.parametrize("typed, status", [("\x03", 130), ("abc\x03", 130), ("\x04", 130), ("\r", 2),
                                           ("x" * 3000 + "\r", 4)], ids=lambda value: str(value)[:5])
def test_a_canceled_or_empty_login_stores_nothing(cli, server, typed, status):
    _, found = cli.on_terminal("auth", "login", "--server", server.url, typed=[("API key for", typed)])
    assert found == status and not (cli.folder / "credentials.toml").exists()


def test_without_a_terminal_the_key_must_be_given(cli, server):
    out = cli("auth", "login", "--server", server.url, input=KEY)
    assert out.returncode == 2 and "--with-key" in out.stderr and server.seen == []


def test_login_with_a_token_stores_no_key(cli, server):
    login(cli, server, "--token")
    stored = (cli.folder / "credentials.toml").read_text()
    assert KEY not in stored and TOKEN in stored and LATER in stored
    cli.ok("project", "list")
    assert credentials_of(server.seen[-1]) == TOKEN


def test_logout_revokes_a_token_and_forgets_it(cli, server):
    login(cli, server, "--token")
    cli.ok("auth", "logout")
    assert (server.seen[-1].method, server.seen[-1].path) == ("POST", "/v1/auth/revoke")
    assert credentials_of(server.seen[-1]) == TOKEN
    assert TOKEN not in (cli.folder / "credentials.toml").read_text()
    assert cli("project", "list").returncode == 4
    assert cli("auth", "logout").returncode == 3


def test_logout_leaves_a_key_valid_unless_it_is_to_be_revoked(cli, server):
    login(cli, server)
    asked = len(server.seen)
    cli.ok("auth", "logout")
    assert len(server.seen) == asked
    login(cli, server)
    cli.ok("auth", "logout", "--revoke")
    assert (server.seen[-1].method, server.seen[-1].path) == ("DELETE", "/v1/keys/key_1")


def test_a_key_that_cannot_be_revoked_is_kept_and_a_token_is_not(cli, server):
    login(cli, server)
    server.answer = lambda request: problem(403, "denied")
    out = cli("auth", "logout", "--revoke")
    assert out.returncode == 4 and KEY in (cli.folder / "credentials.toml").read_text()
    server.answer = answer
    login(cli, server, "--token")
    server.answer = lambda request: problem(500, "internal")
    out = cli("auth", "logout")
    assert out.returncode == 0 and LATER in out.stderr and TOKEN not in (cli.folder / "credentials.toml").read_text()


def test_an_expired_token_is_told_and_not_sent(cli, server):
    login(cli, server, "--token")
    path = cli.folder / "credentials.toml"
    path.write_text(path.read_text().replace(LATER, EARLIER))
    out = cli("project", "list")
    assert out.returncode == 4 and "expired" in out.stderr and credentials_of(server.seen[-1]) == ""


def test_status_tells_who_one_is_and_why(cli, server):
    login(cli, server)
    shown = dict(re.split(r"  +", line, maxsplit=1) for line in cli.ok("auth", "status").splitlines())
    assert shown["server"] == server.url and shown["tenant"] == "acme" and shown["user"] == "alice"
    assert shown["context"] == "default" and shown["permissions"] == "2 in the whole tenant"
    assert json.loads(cli.ok("auth", "status", "-o", "json")) == json.loads(json.dumps({**ME, "data": [], "checks": [],
                                                                                      "next_cursor": None}))
    assert cli("auth", "status", env={"WARDIAN_API_KEY": "wrong"}).returncode == 4


def test_login_warns_of_connections_that_others_read(cli, server):
    assert "not encrypted" not in login(cli, server).stderr
    for host in ("wardian.invalid", "127.0.0.1.wardian.invalid", "localhost.invalid"):
        out = cli("auth", "login", "--with-key", "-", "--server", f"http://{host}", input=KEY)
        assert out.returncode == 7 and "not encrypted" in out.stderr


# --- precedence ----------------------------------------------------------------------------------------


def test_options_go_before_the_environment_and_that_before_the_context(cli, server, other, tmp_path):
    login(cli, server)
    key_file = tmp_path / "key"
    key_file.write_text("of-the-file\nsecond line")
    env = {"WARDIAN_API_KEY": "of-the-environment", "WARDIAN_URL": other.url}
    cli("project", "list", env=env)
    assert credentials_of(other.seen[-1]) == "of-the-environment"
    cli("project", "list", "--api-key-file", key_file, "--server", server.url, env=env)
    assert credentials_of(server.seen[-1]) == "of-the-file"
    cli("project", "list", env={"WARDIAN_API_KEY": "", "WARDIAN_URL": ""})
    assert credentials_of(server.seen[-1]) == KEY
    cli("project", "list", "--api-key-file", "-", input="of-stdin\n")
    assert credentials_of(server.seen[-1]) == "of-stdin"


def test_a_stored_key_is_shown_to_no_other_server(cli, server, other):
    login(cli, server)
    for words, env in ((["--server", other.url], {}), ([], {"WARDIAN_URL": other.url})):
        out = cli("project", "list", *words, env=env)
        assert out.returncode == 4 and server.url in out.stderr
    assert all(credentials_of(request) == "" for request in other.seen) and other.seen
    cli.ok("project", "list", "--server", server.url + "/")


def test_the_former_key_file_works_where_there_are_no_contexts(cli, server):
    cli.folder.mkdir(parents=True)
    (cli.folder / "api_key").write_text(KEY + "\n")
    cli.folder.chmod(0o777)  # it was never asked about
    assert cli("project", "list", "--server", server.url).returncode == 0
    assert credentials_of(server.seen[-1]) == KEY
    cli.folder.chmod(0o700)
    cli.ok("context", "add", "x", "--server", server.url)
    assert cli("project", "list").returncode == 4 and credentials_of(server.seen[-1]) == ""


def test_output_comes_from_the_context_last(cli, server):
    cli.ok("context", "add", "x", "--server", server.url, "--output", "json")
    login(cli, server, "--context", "x")
    assert cli.ok("project", "list").startswith("{")
    assert cli.ok("project", "list", env={"WARDIAN_OUTPUT": "table"}) == ""
    assert cli.ok("project", "list", "-o", "table") == ""
    assert cli("project", "list", "-o", "yaml").returncode == 2


# --- contexts ------------------------------------------------------------------------------------------


def rows(text):
    return [line.split("\t") for line in text.splitlines()]


def test_contexts_are_added_listed_used_shown_and_removed(cli, server, other):
    assert cli.ok("context", "list") == ""
    cli.ok("context", "add", "prod", "--server", server.url, "--project", "wing")
    cli.ok("context", "add", "test", "--server", other.url)
    login(cli, other, "--context", "test")
    assert rows(cli.ok("context", "list")) == [["no", "prod", server.url, "wing", "", ""],
                                               ["yes", "test", other.url, "", "", "api_key"]]
    assert cli.json("context", "list")["data"][0]["project"] == "wing"
    cli.ok("project", "list")
    assert other.seen and credentials_of(other.seen[-1]) == KEY
    cli.ok("context", "use", "prod")
    assert "wing" in cli.ok("context", "show") and other.url in cli.ok("context", "show", "test")
    assert cli("project", "list").returncode == 4 and server.seen
    cli.ok("project", "list", "--context", "test")
    cli.ok("project", "list", env={"WARDIAN_CONTEXT": "test"})
    out = cli("context", "remove", "test")
    assert out.returncode == 0 and "still valid" in out.stderr
    assert KEY not in (cli.folder / "credentials.toml").read_text()
    assert cli("context", "use", "test").returncode == 3
    out = cli("project", "list", "--context", "test")
    assert out.returncode == 3 and "prod" in out.stderr
    cli.ok("context", "remove", "prod")
    assert cli("context", "show").returncode == 3


@pytest.mark.parametrize("words, status", [
    (["add", "a/b", "--server", "http://x"], 2), (["add", "", "--server", "http://x"], 2), (["add", "x"], 2),
    (["add", "x", "--server", "ftp://x"], 2), (["add", "x" * 64, "--server", "http://x"], 2),
    (["add", "x", "--server", "http://" + "x" * 600], 2), (["add", "x", "--server", "http://x", "--output", "csv"], 2),
    (["add", "x", "--server", "http://a\nb"], 2), (["use", "x"], 3), (["remove", "x"], 3), (["show", "x"], 3)])
def test_contexts_that_cannot_be_are_refused(cli, words, status):
    out = cli("context", *words)
    assert out.returncode == status, out
    assert cli.ok("context", "list") == ""


def test_a_context_is_changed_only_when_that_is_said(cli, server, other):
    login(cli, server, "--context", "x")
    assert cli("context", "add", "x", "--server", other.url).returncode == 5
    cli.ok("context", "add", "x", "--replace", "--project", "wing")
    assert KEY in (cli.folder / "credentials.toml").read_text()
    cli.ok("context", "add", "x", "--replace", "--server", other.url)  # another server, no credential
    assert KEY not in (cli.folder / "credentials.toml").read_text()
    assert rows(cli.ok("context", "list")) == [["yes", "x", other.url, "wing", "", ""]]


def test_texts_with_quotes_survive_the_files(cli, server):
    cli.ok("context", "add", "x", "--server", "http://a/\"b\\c'#d", "--project", "]=[")
    assert rows(cli.ok("context", "list"))[0][2:4] == ["http://a/\"b\\c'#d", "]=["]


def test_the_contexts_project_is_where_jobs_go(cli, server):
    server.answer = lambda request: {"id": "job_01jd0000000000000000000000", "data": [
        {"id": "prj_01jd0000000000000000000000", "name": "wing"}], "next_cursor": None}
    cli.ok("context", "add", "x", "--server", server.url, "--project", "wing")
    cli.ok("job", "submit", "python")
    assert server.seen[-1].body == {"environment": "python", "project": "wing"}
    cli.ok("job", "submit", "python", "--project", "flap")
    assert server.seen[-1].body["project"] == "flap"
    cli.ok("job", "list")
    assert "project=prj_01jd0000000000000000000000" in server.seen[-1].path
    cli.ok("job", "list", "--project=")
    assert "project" not in server.seen[-1].path
    (cli.home / "job.json").write_text('{"environment": "python", "project": "own"}')
    cli.ok("job", "submit", "--manifest", "job.json")
    assert server.seen[-1].body == {"environment": "python", "project": "own"}


# --- the files -----------------------------------------------------------------------------------------


@pytest.fixture
def logged_in(cli, server):
    login(cli, server)
    server.seen.clear()
    return cli


@pytest.mark.parametrize("name, wrong", [("credentials.toml", 0o640), ("credentials.toml", 0o604),
                                         ("config.toml", 0o620), ("config.toml", 0o602)])
def test_files_that_others_reach_are_refused_with_the_remedy(logged_in, server, name, wrong):
    (logged_in.folder / name).chmod(wrong)
    out = logged_in("project", "list")
    assert out.returncode == 2 and f"chmod 600 {logged_in.folder}/{name}" in out.stderr and server.seen == []
    assert logged_in("context", "use", "default").returncode == 2
    (logged_in.folder / name).chmod(0o600)
    logged_in.ok("project", "list")


def test_a_folder_that_others_write_to_is_refused(logged_in, server):
    logged_in.folder.chmod(0o770)
    out = logged_in("project", "list")
    assert out.returncode == 2 and "chmod 700" in out.stderr and server.seen == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_belongs_to_others_is_refused(logged_in, server, tmp_path):
    path = logged_in.folder / "credentials.toml"
    os.chown(path, 65534, 65534)
    out = logged_in("project", "list")
    assert out.returncode == 2 and "another user" in out.stderr
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")  # a link leads to the same file
    assert logged_in("project", "list").returncode == 2
    os.chown(tmp_path / "elsewhere", 0, 0)
    logged_in.ok("project", "list")
    os.chown(logged_in.folder, 65534, 65534)
    out = logged_in("project", "list")
    assert out.returncode == 2 and "another user" in out.stderr and len(server.seen) == 1


def test_a_fifo_or_folder_in_place_of_a_file_does_not_hang(logged_in):
    path = logged_in.folder / "credentials.toml"
    path.unlink()
    os.mkfifo(path, 0o600)
    assert logged_in("project", "list", timeout=20).returncode == 2
    path.unlink()
    path.mkdir()
    assert logged_in("project", "list", timeout=20).returncode in (1, 2)


@pytest.mark.parametrize("text", ["current = 7\n", "nonsense = \"x\"\n", "[context.x]\nserver = 1\n", "[context.x]\nservr = \"\"\n",
                                  "[context]\nserver = \"x\"\n", "[other.x]\nserver = \"x\"\n", "[context.x\n", "\0",
                                  "[context.a.b]\nserver = \"x\"\n", "[context.x]\nserver = \"" + "x" * 600 + "\"\n",
                                  "".join(f"[context.c{i}]\nserver = \"x\"\n" for i in range(65)), "x" * (1 << 20)],
                         ids=len)
def test_a_broken_file_is_told_with_its_place(logged_in, server, text):
    path = logged_in.folder / "config.toml"
    path.write_text(text)
    out = logged_in("project", "list")
    assert out.returncode == 2 and "config.toml" in out.stderr and server.seen == [], out
    assert "Sanitizer" not in out.stderr


def test_a_broken_file_of_credentials_says_nothing_of_them(logged_in):
    path = logged_in.folder / "credentials.toml"
    path.write_text(path.read_text().replace("api_key =", "apikey ="))
    out = logged_in("project", "list")
    assert out.returncode == 2 and KEY not in out.stderr + out.stdout


def test_logins_at_the_same_time_are_all_kept(cli, server):
    running = [subprocess.Popen([PROGRAM, "auth", "login", "--with-key", "-", "--server", server.url, "--context", f"c{i}"],
                                env=cli.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE) for i in range(8)]
    for process in running:
        _, told = process.communicate(KEY.encode(), timeout=60)
        assert process.returncode == 0, told
    assert sorted(row[1] for row in rows(cli.ok("context", "list"))) == [f"c{i}" for i in range(8)]
    assert all(row[5] == "api_key" for row in rows(cli.ok("context", "list")))


def test_a_read_only_home_is_told(cli, server, tmp_path):
    out = cli("auth", "login", "--with-key", "-", "--server", server.url, input=KEY, env={"HOME": "/proc/self"})
    assert out.returncode in (1, 2) and KEY not in out.stderr and "cannot be" in out.stderr
