# SPDX-License-Identifier: Apache-2.0
"""Unpacked environments: a job's `/` is the root that its profile names, and nobody but root changes it."""
import gzip
import io
import json
import lzma
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile
import time

import pytest

import wardian

PYTHON = pathlib.Path("/usr/bin/python3").resolve()
PROFILE = """name = "{name}"
title = "Python in a root of its own"
package = "none"
program = "/usr/bin/python3"
root = "{root}"
command = ["/usr/bin/python3", "{{script}}"]
[parameter.script]
type = "file"
title = "the script"
required = true
"""
LOOK = """
import json, os, pathlib
mounts = [line.split(" ") for line in open("/proc/self/mountinfo")]
print(json.dumps({
    "top": sorted(os.listdir("/")), "bin": sorted(os.listdir("/usr/bin")),
    "marker": pathlib.Path("/opt/marker").read_text(), "run": pathlib.Path("/var/run/marker").read_text(),
    "passwd": pathlib.Path("/etc/passwd").read_text(), "theirs": pathlib.Path("/etc/theirs").read_text(),
    "cwd": os.getcwd(), "input": os.listdir("."), "fds": sorted(os.listdir("/proc/self/fd")),
    "rw": sorted(m[4] for m in mounts if m[5].startswith("rw")),
    "write": [path for path in ("/opt/new", "/etc/new", "/usr/bin/python3") if os.access(path, os.W_OK)]}))
"""


def libraries(program):
    out = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {pathlib.Path(path) for path in re.findall(r"(/\S+) \(0x", out)}


def make_root(top):
    """A small usr-merged root with Python, its libraries, and a few files to know it by."""
    for folder in ("usr/bin", "usr/lib", "usr/lib64", "opt", "etc", "run", "var"):
        (top / folder).mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (top / name).symlink_to(f"usr/{name}")
    shutil.copy(PYTHON, top / "usr/bin/python3")
    stdlib = pathlib.Path(f"/usr/lib/{PYTHON.name}")
    shutil.copytree(stdlib, top / "usr/lib" / PYTHON.name, symlinks=True,
                    ignore=shutil.ignore_patterns("test", "idlelib", "config-*", "__pycache__", "*.pyc",
                                                  "sitecustomize.py", "dist-packages"))
    extensions = [str(path) for path in (stdlib / "lib-dynload").glob("*.so")]
    for library in set().union(*(libraries(p) for p in [PYTHON, *extensions])):
        real = str(library.resolve())
        # Where the loader looks without a cache; the loader itself where its name says.
        goal = top / ("usr" + str(library)) if not str(library).startswith("/usr") else top / str(library)[1:]
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(real, goal)
    (top / "opt/marker").write_text("a root of its own")
    (top / "run/marker").write_text("behind an absolute link")
    (top / "var/run").symlink_to("/run")
    (top / "etc/passwd").write_text("theirs:x:0:0::/:/bin/sh\n")
    (top / "etc/theirs").write_text("from the root")


@pytest.fixture
def small(tmp_path):
    """A root that is quickly packed."""
    top = tmp_path / "small"
    for folder in ("usr/bin", "opt", "var"):
        (top / folder).mkdir(parents=True)
    (top / "usr/bin/tool").write_bytes(os.urandom(100000))
    (top / "usr/bin/tool").chmod(0o755)
    (top / "bin").symlink_to("usr/bin")
    (top / "var/run").symlink_to("/run")
    (top / "opt/caf\u00e9").write_text("not ASCII")
    os.link(top / "usr/bin/tool", top / "opt/same")
    return top


def archive(source, out, order=1, **options):
    with tarfile.open(out, **options) as tar:
        for path in sorted(source.rglob("*"), reverse=order < 0):
            tar.add(path, str(path.relative_to(source)), recursive=False)
    return out


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    top = tmp_path_factory.mktemp("root") / "tree"
    make_root(top)
    return top


def profiles(folder, **roots):
    folder.mkdir(exist_ok=True)
    for name, digest in roots.items():
        (folder / f"{name}.toml").write_text(PROFILE.format(name=name, root=digest))
    return folder


def call(daemon, *words, stdin=subprocess.DEVNULL):
    return subprocess.run(daemon.arguments(["root", *words]), stdin=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=daemon.environment(), text=True, timeout=120, check=False)


def imported(daemon, what):
    out = call(daemon, "import", str(what))
    assert out.returncode == 0, out.stderr
    assert re.fullmatch(r"[0-9a-f]{64}\n", out.stdout)
    return out.stdout.strip()


def job(name, script):
    return {"environment": name, "inputs": [{"path": "main.py", "text": script}],
            "parameters": {"script": "main.py"}}


@pytest.fixture
def bare(tmp_path):
    """A daemon that is not started: its subcommands and its state directory."""
    made = wardian.Daemon(environments=profiles(tmp_path / "environments"))
    yield made
    made.destroy()


@pytest.fixture
def rooted(root, tmp_path):
    """A daemon with the environment "rooted", whose root is there, and "absent", whose is not."""
    made = wardian.Daemon(environments=tmp_path / "environments")
    made.digest = imported_for(made, root, tmp_path)
    made.start()
    made.tenant, made.key = made.bootstrap("alpha")
    yield made
    made.destroy()


def imported_for(daemon, root, tmp_path):
    profiles(tmp_path / "environments")
    digest = imported(daemon, root)
    profiles(tmp_path / "environments", rooted=digest, absent="1" * 64)
    return digest


# --- jobs ---------------------------------------------------------------------------------------


def test_a_jobs_root_is_the_environment_and_not_the_host(rooted):
    done = rooted.run(rooted.key, job("rooted", LOOK))
    log = rooted.job_log(rooted.key, done["id"]).decode()
    assert done["state"] == "succeeded", (done, log)
    seen = json.loads(log)
    assert seen["top"] == sorted(["bin", "dev", "etc", "lib", "lib64", "opt", "proc", "run", "tmp", "usr", "var",
                                  "work"])
    assert seen["bin"] == ["python3"]
    assert seen["marker"] == "a root of its own" and seen["run"] == "behind an absolute link"
    assert "theirs" not in seen["passwd"] and "sim:x:1000" in seen["passwd"]
    assert seen["theirs"] == "from the root"
    assert (seen["cwd"], seen["input"]) == ("/work", ["main.py"])
    assert seen["rw"] == ["/dev/shm", "/tmp", "/work"]
    assert seen["write"] == []
    assert set(seen["fds"]) <= {"0", "1", "2", "3", "4"}
    assert call(rooted, "verify", rooted.digest).returncode == 0


def test_an_environment_without_its_root_is_listed_with_a_remedy_and_takes_no_job(rooted, root, tmp_path):
    rows = {row["name"]: row for row in rooted.json("GET", "/v1/environments", rooted.key)["data"]}
    assert rows["rooted"]["available"] and rows["rooted"]["remedy"] is None
    assert rows["rooted"]["root"] == rooted.digest
    assert not rows["absent"]["available"] and "wardiand root import" in rows["absent"]["remedy"]
    status, _, body = rooted.request("POST", "/v1/jobs", rooted.key, job("absent", "print(1)"))
    assert status == 422 and json.loads(body)["code"] == "environment-unavailable", body
    assert b"root import" in body

    # Another root with a change in it, for the profile that lacked one: a start later it is there.
    other = tmp_path / "other"
    shutil.copytree(root, other, symlinks=True)
    (other / "opt/marker").write_text("another one")
    profiles(tmp_path / "environments", absent=imported(rooted, other))
    rooted.stop()
    rooted.start()
    done = rooted.run(rooted.key, job("absent", "print(open('/opt/marker').read())"))
    assert rooted.job_log(rooted.key, done["id"]) == b"another one\n", done


def test_a_root_without_the_profiles_program_is_said_to_be_just_that(root, tmp_path):
    daemon = wardian.Daemon(environments=profiles(tmp_path / "environments"))
    try:
        digest = imported(daemon, root)
        folder = profiles(tmp_path / "environments", wrong=digest)
        text = (folder / "wrong.toml").read_text().replace("/usr/bin/python3", "/usr/bin/octave")
        (folder / "wrong.toml").write_text(text)
        daemon.start()
        key = daemon.bootstrap("alpha")[1]
        (row,) = daemon.json("GET", "/v1/environments", key)["data"]
        assert not row["available"] and "has no program /usr/bin/octave" in row["remedy"], row
        assert "import" not in row["remedy"]
        status, _, body = daemon.request("POST", "/v1/jobs", key, job("wrong", "print(1)"))
        assert status == 422 and json.loads(body)["code"] == "environment-unavailable", body
        assert b"has no program /usr/bin/octave" in body and b"unpack" not in body
        assert any("has no program /usr/bin/octave" in line.get("msg", "") for line in daemon.log_lines()), daemon.log()
    finally:
        daemon.destroy()


def test_a_program_that_the_root_lacks_or_cannot_load_is_the_jobs_own_affair(rooted):
    done = rooted.run(rooted.key, {"environment": "rooted", "command": ["/usr/bin/no-such-program"]})
    assert (done["cause"]["category"], done["cause"]["kind"]) == ("user", "exec-failed"), done["cause"]
    assert "No such file" in done["cause"]["message"] and "loader or interpreter" in done["cause"]["message"]
    assert done["attempt"] == 1


def test_a_root_is_not_removed_while_a_profile_names_it_or_a_job_uses_it(rooted):
    out = call(rooted, "remove", rooted.digest)
    assert out.returncode == 5 and "rooted" in out.stderr and "--force" in out.stderr
    running = rooted.submit(rooted.key, job("rooted", "import time\nprint('on', flush=True)\ntime.sleep(600)"))
    wardian.wait_for(lambda: b"on" in rooted.job_log(rooted.key, running), 30, "the job runs")
    out = call(rooted, "remove", rooted.digest, "--force")
    assert out.returncode == 5 and "uses the root" in out.stderr, out.stderr
    rooted.json("POST", f"/v1/jobs/{running}/cancel", rooted.key)
    rooted.wait(rooted.key, running)
    # A warm sandbox may hold it for a while longer.
    wardian.wait_for(lambda: call(rooted, "remove", rooted.digest, "--force").returncode == 0, 90,
                     "the root is free", pause=0.5)
    assert list((rooted.state / "roots").iterdir()) == []


TAMPERINGS = {
    "a copy of one's own": "mv roots r2 && cp -r r2 roots && echo changed >roots/{0}/tree/opt/marker",
    "a link to a copy": "cp -r roots r2 && mv roots r3 && ln -s r2 roots",
    "a link to the real one": "mv roots r2 && ln -s r2 roots",
}


@pytest.mark.parametrize("how", TAMPERINGS)
def test_a_root_that_the_daemons_user_has_put_in_place_is_refused(rooted, how):
    account = "wardian"

    def as_daemon(command):
        return subprocess.run(["sh", "-c", command], cwd=rooted.state, user=account, group=account,
                              extra_groups=[], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    # What it cannot do at all.
    for command in ("echo x >roots/{0}/tree/opt/marker", "touch roots/new", "mv roots/{0} roots/x",
                    "rm -r roots/{0}", "chmod 0777 roots", "chmod u+w roots/{0}/manifest",
                    "rm roots/{0}/manifest", "mkdir x && mv roots x/"):
        assert as_daemon(command.format(rooted.digest)).returncode != 0, command
    assert call(rooted, "verify", rooted.digest).returncode == 0

    done = as_daemon(TAMPERINGS[how].format(rooted.digest))
    assert done.returncode == 0, done.stdout
    refused = rooted.submit(rooted.key, job("rooted", "print('ran')"))
    seen = wardian.wait_for(lambda: why(rooted, refused), 30, "the job is refused", pause=0.2)
    assert "environment root" in seen
    rooted.json("POST", f"/v1/jobs/{refused}/cancel", rooted.key)
    assert rooted.wait(rooted.key, refused)["state"] == "canceled"
    assert b"ran" not in rooted.job_log(rooted.key, refused)


def why(daemon, one):
    """The job as text once an attempt at it has failed in the sandbox."""
    seen = [daemon.json("GET", f"/v1/jobs/{one}{part}", daemon.key) for part in ("", "/events", "/attempts")]
    text = json.dumps(seen)
    return text if "sandbox" in text else None


# --- the subcommands ----------------------------------------------------------------------------


def test_the_digest_is_the_same_from_a_directory_and_from_archives_of_it(bare, small, tmp_path):
    digest = imported(bare, small)
    plain = archive(small, tmp_path / "plain.tar", mode="w", format=tarfile.GNU_FORMAT)
    made = [plain, archive(small, tmp_path / "r.tar.gz", order=-1, mode="w:gz", format=tarfile.PAX_FORMAT),
            archive(small, tmp_path / "u.tar.xz", mode="w:xz", preset=0, format=tarfile.USTAR_FORMAT)]
    assert [imported(bare, path) for path in made] == [digest] * 3
    with open(plain, "rb") as stream:
        out = call(bare, "import", "-", stdin=stream)
    assert out.stdout.strip() == digest and "there already" in out.stderr
    listed = call(bare, "list").stdout.splitlines()
    assert len(listed) == 1 and listed[0].startswith(digest) and listed[0].endswith(" -")
    summed = subprocess.run(["sha256sum", bare.state / "roots" / digest / "manifest"], stdout=subprocess.PIPE,
                            text=True, check=True).stdout
    assert summed.startswith(digest)
    assert os.stat(bare.state / "roots").st_uid == 0
    assert {oct(p.stat().st_mode & 0o022) for p in (bare.state / "roots").rglob("*") if not p.is_symlink()} == {"0o0"}


def test_verify_finds_a_changed_byte(bare, small):
    digest = imported(bare, small)
    assert call(bare, "verify", digest).returncode == 0
    target = bare.state / "roots" / digest / "tree/usr/bin/tool"
    with open(target, "r+b") as file:
        file.seek(50000)
        byte = file.read(1)
        file.seek(50000)
        file.write(bytes([byte[0] ^ 1]))
    out = call(bare, "verify", digest)
    assert out.returncode == 5 and "usr/bin/tool" in out.stderr


def hostile(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, 0
            tar.addfile(info)
    return out.getvalue()


HOSTILE = {
    "absolute": hostile(("/etc/wardian-escape", tarfile.REGTYPE, "")),
    "up": hostile(("../../wardian-escape", tarfile.REGTYPE, "")),
    "through a link": hostile(("a", tarfile.SYMTYPE, "/var/tmp"), ("a/wardian-escape", tarfile.REGTYPE, "")),
    "hard link out": hostile(("a", tarfile.LNKTYPE, "/etc/shadow")),
    "file, then link": hostile(("a", tarfile.REGTYPE, ""), ("a", tarfile.SYMTYPE, "/etc/shadow")),
    "dev is a link": hostile(("dev", tarfile.SYMTYPE, "/proc/sys/kernel"), ("a", tarfile.REGTYPE, "")),
    "no archive": b"not an archive" * 100,
    "half of one": gzip.compress(hostile(("a", tarfile.REGTYPE, "")))[:30],
    "compressed nonsense": lzma.compress(b"nonsense" * 10000),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(bare, tmp_path, what):
    (tmp_path / "hostile.tar").write_bytes(HOSTILE[what])
    out = call(bare, "import", str(tmp_path / "hostile.tar"))
    assert out.returncode == 2 and out.stdout == "", out.stderr
    assert list((bare.state / "roots").iterdir()) == []
    assert not list(pathlib.Path("/var/tmp").glob("wardian-escape*"))
    assert not pathlib.Path("/etc/wardian-escape").exists()


def test_limits_are_settings(bare, tmp_path):
    many = archive_of_many(tmp_path / "many.tar.gz", 5000)
    bare.settings = ["--sandbox.root_files_max=100"]
    out = call(bare, "import", str(many))
    assert out.returncode == 2 and "sandbox.root_files_max" in out.stderr
    bare.settings = ["--sandbox.root_bytes_max=1MiB"]
    with tarfile.open(tmp_path / "big.tar", "w") as tar:
        info = tarfile.TarInfo("big")
        info.size = (1 << 20) + 1
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    out = call(bare, "import", str(tmp_path / "big.tar"))
    assert out.returncode == 2 and "sandbox.root_bytes_max" in out.stderr
    assert list((bare.state / "roots").iterdir()) == []


def archive_of_many(path, n):
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for i in range(n):
            tar.addfile(tarfile.TarInfo(f"file{i}"))
    return path


@pytest.mark.parametrize("after_s", [0, 0.02, 0.1, 0.3])
def test_an_import_that_was_killed_leaves_nothing_for_long(bare, root, after_s):
    process = subprocess.Popen(bare.arguments(["root", "import", str(root)]), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=bare.environment())
    roots = bare.state / "roots"
    try:
        wardian.wait_for(lambda: process.poll() is not None or (roots.exists() and list(roots.iterdir())), 30,
                         "the import has begun", pause=0.001)
        time.sleep(after_s)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    # Either nothing but what is swept, or all of it.
    assert len([p for p in roots.iterdir() if not p.name.startswith(".incoming-")]) <= 1
    assert call(bare, "list").returncode == 0
    left = [p.name for p in roots.iterdir()]
    assert not [name for name in left if name.startswith(".")]
    for name in left:
        assert call(bare, "verify", name).returncode == 0
    digest = imported(bare, root)
    assert [p.name for p in roots.iterdir()] == [digest]


@pytest.mark.parametrize("words", [[], ["list", "x"], ["import"], ["verify", "abc"], ["remove", ".."],
                                   ["verify", "../../etc"], ["explode", "x"]])
def test_what_makes_no_sense_is_told(bare, words):
    out = call(bare, *words)
    assert out.returncode == 2 and out.stdout == "" and "root" in out.stderr
