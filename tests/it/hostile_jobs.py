# SPDX-License-Identifier: Apache-2.0
"""What hostile jobs try, and the verdict that is demanded: one row per job.

Numbers are those of the list of probes (1-78), of published escapes (E1-E24) and of ways to end
(P12).  `words` is the act of wardian-hostile; `facts` says for each fact that it reports which regular
expression its text has to match, "*" for all that are not named, `n` how many there are at least;
`ends` is how the job has to end by the word of the API; `check` looks at everything else and returns
complaints.  `known` names facts that are open today, with the reason: they may not be heard of
elsewhere, and a row whose facts hold all the same has to lose its mark."""
import re

import hostile_look as look
from hostile_run import NIGHTLY

MIB = 1 << 20
GIB = 1 << 30
REFUSED = {"*": "EPERM|ENOSYS"}
ABSENT = {"*": "ENOENT"}


class Row:
    """One job and what it must come to."""

    def __init__(self, number, what, demand, words=None, **more):
        self.number, self.what, self.demand, self.words = number, what, demand, words.split() if words else []
        self.ends = more.pop("ends", "exit 0")
        self.facts = more.pop("facts", {})
        self.n = more.pop("n", 0)
        self.check = more.pop("check", None)
        self.alone = more.pop("alone", False)  # what it measures, others would disturb
        self.skip = more.pop("skip", None)
        self.known = more.pop("known", {})
        self.manifest = more

    @property
    def kind(self):
        """The letter of the probe's class."""
        number = re.match(r"\d+", self.number)
        return CLASS_OF[int(number[0])] if number else "E" if self.number.startswith("E") else "A"

    @property
    def name(self):
        return f"{self.number} {self.what}"


CLASS_OF = {n: c for c, ns in {"R": range(1, 16), "F": range(16, 26), "P": range(26, 36), "N": range(36, 42),
                               "K": range(42, 56), "L": range(56, 64), "C": range(64, 70), "A": range(70, 79)}.items()
            for n in ns}

RESOURCES = [
    Row("1a", "a fork bomb is refused at the limit of processes", "EAGAIN at pids.max", "bomb fork",
        facts={"refused with": "EAGAIN", "made": "25[0-9]"}),
    Row("1b", "a vfork bomb is refused at the limit of processes", "EAGAIN at pids.max", "bomb vfork",
        facts={"refused with": "EAGAIN", "made": "25[0-9]"}),
    Row("1c", "a bomb of threads is refused at the limit of processes", "EAGAIN at pids.max", "bomb thread",
        facts={"refused with": "EAGAIN", "made": "25[0-9]"}),
    Row("1d", "a fork bomb that ignores signals and leaves sessions is dead 100 ms after the kill",
        "wall-time; dead <= 100 ms after the kill", "storm", ends="wall-time", limits={"wall_s": 1},
        facts={"storm": "begins"}, check=look.dead_within(0.1), alone=True),
    Row("2", "a bomb of anonymous memory is out of memory", "oom, never signal 9; peak <= limit", "eat anonymous",
        ends="oom", resources={"memory_bytes": 64 * MIB}, check=look.peak_within(64 * MIB)),
    Row("3a", "a bomb of shared memory is out of memory", "oom; peak <= limit", "eat shared",
        ends="oom", resources={"memory_bytes": 64 * MIB}, check=look.peak_within(64 * MIB)),
    Row("3b", "a bomb of memory files is out of memory", "oom; peak <= limit", "eat memfd",
        ends="oom", resources={"memory_bytes": 64 * MIB}, check=look.peak_within(64 * MIB)),
    Row("3c", "a bomb in /dev/shm is out of memory when it may be larger than memory", "oom; peak <= limit", "eat shm",
        ends="oom", resources={"memory_bytes": 64 * MIB, "disk_bytes": 512 * MIB}, check=look.peak_within(64 * MIB)),
    Row("4a", "a full scratch space is no lack of memory", "ENOSPC at the size, not oom", "fill /work/fill",
        facts={"write": "ENOSPC", "bytes": r"\d+"}, resources={"disk_bytes": 8 * MIB},
        check=look.fact_between("bytes", 6 * MIB, 8 * MIB)),
    Row("4b", "/tmp and /dev/shm are the same scratch space", "ENOSPC at the size", "fill /dev/shm/fill",
        facts={"write": "ENOSPC", "bytes": r"\d+"}, resources={"disk_bytes": 8 * MIB},
        check=look.fact_between("bytes", 6 * MIB, 8 * MIB)),
    Row("5a", "full pipes are charged to the job", "oom, or bounded; the host's memory as before", "eat pipes",
        ends="oom|exit 0", resources={"memory_bytes": 64 * MIB}, check=look.bounded("MiB in pipes", 64)),
    Row("5b", "full sockets are charged to the job", "oom, or bounded; the host's memory as before", "eat sockets",
        ends="oom|exit 0", resources={"memory_bytes": 64 * MIB}, check=look.bounded("MiB in sockets", 64)),
    Row("6", "descriptors of eight kinds end at the limit", "EMFILE; the host's open files as before", "descriptors",
        facts={"*": "EMFILE", "most": "4[0-9]{3}"}, n=9),
    Row("7a", "memory cannot be locked, secret or huge", "refused", "locked",
        facts={"mlock of 64 MiB": "ENOMEM|EPERM", "mlockall": "ENOMEM|EPERM", "huge page": "ENOMEM|EPERM",
               "memory file of huge pages": ".*", "secret memory": "EPERM|ENOSYS"}),
    Row("7b", "page tables are charged to the job", "oom", "eat page-tables", ends="oom",
        resources={"memory_bytes": 64 * MIB}, check=look.peak_within(64 * MIB)),
    Row("8", "a busy loop that ignores all signals ends with its wall time", "wall-time, at most 50 ms late", "spin 1",
        ends="wall-time", limits={"wall_s": 1}, check=look.dead_within(0.05), alone=True),
    Row("10a", "inodes end at their number", "ENOSPC at nr_inodes", "inodes /tmp",
        facts={"create": "ENOSPC", "files": r"\d+"}, resources={"disk_bytes": 64 * MIB},
        check=look.fact_between("files", 4000, 4096)),
    Row("10b", "a million files meet the limits of number and are collected up to the cap",
        "ENOSPC; at most 10,000 collected", "inodes /work", facts={"create": "ENOSPC"},
        resources={"disk_bytes": 256 * MIB}, check=look.files_at_most(10000)),
    Row("11a", "a path of 4,000 directories is collected and removed in bounded time", "exit 0, quickly", "deep 4000",
        facts={"made": "4000"}, check=look.seconds_within(20)),
    Row("11b", "names of 255 bytes in each other make no trouble", "exit 0, quickly", "deep 200 255",
        facts={"made": "200"}, check=look.seconds_within(20)),
    Row("12", "100,000 files in one directory that is renamed all the time are collected after the end",
        "collection only after all processes are dead", "many 100000", facts={"made": "100000"},
        resources={"disk_bytes": 2 * GIB, "memory_bytes": GIB},
        check=look.all_of(look.files_at_most(10000), look.seconds_within(40))),
    Row("13a", "timers and queued signals end at a limit", "EAGAIN", "timers",
        facts={"timer": "EAGAIN", "queued signal": "EAGAIN", "timers": r"\d{1,4}", "queued signals": r"\d{1,4}"}),
    Row("13b", "nothing can be watched", "EPERM", "calls watches", facts={"*": "EPERM"}, n=4),
    Row("14a", "a flood of output is cut at the cap and the job goes on", "cut at the cap; the daemon's memory flat",
        f"flood {10240 if NIGHTLY else 256}", limits={"output_bytes": MIB, "wall_s": 300}, check=look.log_cut_at(MIB)),
    Row("14b", "single bytes on both streams are all kept", "as many bytes as written",
        f"drip {1000000 if NIGHTLY else 50000}", limits={"wall_s": 120},
        check=look.log_is_of(b"z", 1000000 if NIGHTLY else 50000)),
    Row("15", "a parent that sleeps in vfork for ever is killed", "wall-time; kill works", "stuck", ends="wall-time",
        limits={"wall_s": 1}, facts={"begins": "stuck"}, check=look.dead_within(0.1), alone=True),
]

FILES = [
    Row("16a", "links to anywhere are not followed", "only plain.txt is kept", "links",
        facts={"*": "ok", "empty": "ENOENT"}, n=12, check=look.files_are("plain.txt")),
    Row("16b", "what was not kept is reported", "the number of files left out", "links", check=look.left_out(52)),
    Row("17", "pipes, sockets and devices are not opened, closed files are read", "mknod refused; no wait", "specials",
        facts={"fifo": "ok", "socket": "ok", "character device": "EPERM|EACCES", "block device": "EPERM|EACCES"},
        check=look.all_of(look.files_are("plain.txt", "closed.txt", "closed/inside.txt"), look.seconds_within(10))),
    Row("18", "sparse files take what they hold", "EFBIG beyond the limit; collected sparse", "sparse",
        facts={"1 TiB by truncate": "EFBIG", "1 TiB by write": "EFBIG", "1 TiB by fallocate": "EFBIG|ENOSPC", "*": "ok"},
        check=look.collected_sparse),
    Row("19", "hard links lead to nothing of the host", "EXDEV or EPERM; bytes within the cap", "hard_links",
        facts={"to an output": "ok", "*": "EXDEV|EPERM|EACCES"}, check=look.files_are("one.txt", "two.txt")),
    Row("20", "a file without a name is gone with its holder", "freed; the rest is kept", "unlinked 200",
        facts={"allocate": "ok"}, check=look.files_are("left.txt")),
    Row("21", "odd names are kept exactly or left out", "every listed name gives its bytes", "names", check=look.names_survive),
    Row("22", "files that change while they are collected are read whole", "no fault; nothing of the host", "changing",
        check=look.nothing_of_the_host),
    Row("23", "set-user-ID bits and attributes are dropped", "no bits on the host; attributes refused", "attributes",
        facts={"set-user-ID": "ok", "set-group-ID": "ok", "sticky": "ok", "*": "EPERM|EACCES|ENOTSUP"},
        check=look.plain_modes),
    Row("24", "the environment cannot be written", "EROFS or refused", "opens environment",
        facts={"*": "EROFS|EACCES|EPERM|ETXTBSY|EISDIR"}, n=16),
    Row("25", "a large file of zeroes is kept as it is", "the cap counts bytes, not what they compress to", "fill /work/zeroes",
        facts={"write": "ENOSPC"}, resources={"disk_bytes": 64 * MIB}),
]

PROCESSES = [
    Row("26", "daemons in sessions of their own are dead before the result", "exit 7; nothing alive", "escape 20",
        ends="exit 7"),
    Row("27", "signals reach nobody outside", "only its own pid namespace", "signals_out",
        facts={"first process": "EPERM", "first process, question": "EPERM|ok", "parent": "EPERM",
               "everybody": "ESRCH|ok|EPERM", "processes found": "0", "main process": "is there"}),
    Row("28a", "a stopped job ends with its wall time", "wall-time", "stopped stop", ends="wall-time",
        limits={"wall_s": 1}, facts={"begins": "stop"}),
    Row("28b", "a job stopped by a terminal's signal ends with its wall time", "wall-time", "stopped tty",
        ends="wall-time", limits={"wall_s": 1}, facts={"begins": "tty"}),
    Row("29a", "zombies count against the limit", "EAGAIN at pids.max", "zombies",
        facts={"fork": "EAGAIN", "zombies": "25[0-9]"}),
    Row("29b", "orphans are reaped", "5,000 of them beside a limit of 256", "orphans 5000", facts={"orphans": "5000"}),
    Row("30a", "a null pointer is SIGSEGV", "signal 11", "die null", ends="signal 11"),
    Row("30b", "abort is SIGABRT", "signal 6", "die abort", ends="signal 6"),
    Row("30c", "a bus error is SIGBUS", "signal 7", "die bus", ends="signal 7"),
    Row("31a", "a missing program is exec-failed and not 127", "exec-failed: No such file", ends="exec-failed",
        command=["/usr/bin/no-such-program"], check=look.message("No such file")),
    Row("31b", "a file that is no program is exec-failed and not 126", "exec-failed: Permission denied", ends="exec-failed",
        command=["/usr/lib/os-release"], check=look.message("Permission denied")),
    Row("31c", "a directory is exec-failed", "exec-failed: Permission denied", ends="exec-failed",
        command=["/usr/lib"], check=look.message("Permission denied")),
    Row("31d", "words beyond the limit are refused with the request", "422 that names the field",
        ends="refused 422", command=["true", "x" * 40000]),
    Row("31e", "words that are too many together are refused or exec-failed", "no fault of the platform",
        ends="refused 422|refused 413|exec-failed", command=["true", *["x" * 30000] * 4]),
    Row("31f", "programs that cannot be executed are the job's own affair", "an errno, and no harm", "executions",
        facts={"no program": "ENOEXEC", "another machine's": "ENOEXEC", "a script that runs itself": "ELOOP",
               "no interpreter": "ENOENT", "a missing file": "ENOENT", "a directory": "EACCES|EISDIR",
               "a device": "EACCES", "too long a word": "E2BIG", "a memory file": "ok", "a memory file, again": "ok"}),
    Row("32", "other processes' memory and descriptors are closed", "EPERM", "calls processes", facts=REFUSED, n=13),
    Row("33", "names with control bytes and settings of the process do no harm", "harmless; the log of the server is clean",
        "names_of_processes", facts={"name": "ok", "death signal": "ok", "subreaper": "ok", "dumpable": "ok",
                                     "*": "EPERM|EINVAL"}),
    Row("34", "limits, priorities and schedulers cannot be raised", "EPERM", "limits_raised",
        facts={"*": "EPERM|EACCES"}, n=13),
    Row("35", "who is killed for memory cannot be chosen", "refused", "opens kernel", n=22,
        facts={"/proc/self/oom*": "EROFS|EACCES|EPERM", "/proc/1/oom*": "ENOENT|EACCES|EPERM", "*": ".*"}),
]

NETWORK = [
    Row("36", "nobody answers on any address", "ECONNREFUSED in its own loopback, ENETUNREACH elsewhere",
        "reach {port} {address} {abstract} {socket}", n=22,
        facts={"tcp 127.*": "ECONNREFUSED", "tcp 0.0.0.0": "ECONNREFUSED", "tcp ::ffff:127.0.0.1": "ECONNREFUSED",
               "tcp ::1": "ECONNREFUSED|ENETUNREACH|EADDRNOTAVAIL", "abstract socket of the host": "ECONNREFUSED|EPERM",
               "socket*": "ENOENT", "tcp fe80::1": "ENETUNREACH|EINVAL", "*": "ENETUNREACH"}),
    Row("37", "cloud metadata is out of reach", "ENETUNREACH", "reach {port} {address} {abstract} {socket}",
        facts={"tcp 169.254.169.254": "ENETUNREACH", "tcp fd00:ec2::254": "ENETUNREACH", "tcp 100.100.100.200": "ENETUNREACH",
               "*": ".*"}),
    Row("38a", "families beside IP and local sockets are closed", "EAFNOSUPPORT", "calls families",
        facts={"*": "EAFNOSUPPORT"}, n=16),
    Row("38b", "raw sockets and other protocols are closed", "EPERM or EPROTONOSUPPORT", "calls raw",
        facts={"*": "EPERM|EPROTONOSUPPORT|ESOCKTNOSUPPORT"}, n=6),
    Row("40", "descriptors in flight are bounded and freed", "ETOOMANYREFS or EMFILE", "passed_descriptors",
        facts={"ring": "ETOOMANYREFS|EMFILE|ok", "in flight": "ETOOMANYREFS|EMFILE|EAGAIN", "*": r"\d+"}),
    Row("41", "objects that outlive their maker are closed", "EPERM", "calls ipc", facts=REFUSED, n=6),
]

KERNEL = [
    Row("42a", "no namespace can be made or entered", "EPERM; clone3 ENOSYS", "calls namespaces",
        facts={"clone3": "ENOSYS", "*": "EPERM"}, n=18),
    Row("42b", "threads start without clone3", "they run", "threads", facts={"thread": "ran"}),
    Row("43", "nothing can be mounted, moved or unmounted", "EPERM", "calls mounts", facts=REFUSED, n=20),
    Row("44", "machinery of the kernel is closed", "EPERM or ENOSYS", "calls machinery", facts=REFUSED, n=54),
    Row("45a", "no filter can be added and none listened to", "EPERM", "calls filters", facts={"*": "EPERM"}, n=4),
    Row("45b", "no rules of Landlock can be made, and nothing is one", "ENOSYS; EBADF", "calls rulesets",
        facts={"restrict with a flag": "EPERM", "restrict*": "EBADFD?|EOPNOTSUPP|ENOSYS", "*": "ENOSYS"}, n=6),
    Row("46", "other system call tables kill", "SIGSYS or ENOSYS", "foreign",
        facts={"int 0x80": "SIGSYS", "x32*": "SIGSYS", "number -1": "SIGSYS|ENOSYS", "*": "SIGSYS|ENOSYS"}, n=8),
    Row("47a", "the personality cannot be changed", "EPERM", "calls personality", facts={"*": "EPERM"}, n=5),
    Row("47b", "the personality can be asked for", "0 and the question are allowed", "calls personality-allowed",
        facts={"*": "ok"}, n=2),
    Row("48", "requests to terminals and file systems are closed, high bits or not", "EPERM", "calls requests",
        facts={"*": "EPERM"}, n=12),
    Row("49a", "devices are absent", "ENOENT", "opens devices", facts={"/dev/null/x 0": "ENOTDIR", **ABSENT}, n=25),
    Row("49b", "devices cannot be made", "EPERM or EACCES", "calls nodes", facts={"*": "EPERM|EACCES"}, n=5),
    Row("50", "files of the kernel cannot be written", "refused", "opens kernel", n=22,
        facts={"*": "ENOENT|EROFS|EACCES|EPERM|ETXTBSY"}),
    Row("51", "control groups are out of sight", "ENOENT", "opens groups", facts=ABSENT, n=6),
    Row("52", "/sys is absent but for the topology of CPUs", "ENOENT", "opens sys", facts={"*": "ENOENT|EROFS"}, n=13),
    Row("53", "a crash with 1 GiB leaves no core", "signal 6; hard limit 1 or none", "die core", ends="signal 6",
        facts={"limit of cores": "0 0|1 1", "raised": "EPERM"}, check=look.no_core, resources={"memory_bytes": 256 * MIB}),
    Row("54", "a set-user-ID program gains nothing", "the same ids, no capabilities", "set_user_id /usr/bin/su",
        facts={"set-user-ID program": r"Name:\tsu|Uid:\t1000\t1000\t1000\t1000|CapEff:\t0{16}"}, n=3),
    Row("55", "a memory file is executed each time or never", "the same answer", "executions", check=look.same_answer),
]

LEAKS = [
    Row("56a", "a job has three descriptors, whatever the daemon had", "0 read, 1 and 2 write", "look",
        facts={"descriptors": "0:r 1:w 2:w "}),
    Row("56b", "its output cannot be opened the other way", "refused", "opens streams", n=3,
        facts={"/proc/self/fd/0 02": "ok|EACCES", "*": "EACCES|EPERM"}),  # 0 is /dev/null
    Row("57a", "the first process is invisible", "ENOENT", "opens first-process", facts={"*": "ENOENT|EACCES|EPERM"}, n=14),
    Row("57b", "the environment of the daemon is not the job's", "no canary", "look", check=look.no_canary),
    Row("58", "tables of the kernel are absent", "ENOENT", "opens tables", facts=ABSENT, n=23),
    Row("59a", "mounts, groups and names tell nothing of the host", "no path and no id of the host", "look",
        facts={"uname": "wardian .*"}, check=look.mounts_tell_nothing),
    Row("59b", "the size of the host's disk is not told", "file systems of a fixed size", "look", check=look.fixed_sizes,
        known={"statfs /usr": "/usr is the host's file system; statfs(2) shows its size and what is free"}),
    Row("59c", "the daemon's working directory does not matter", "/work", "state", facts={"cwd": "/work", "*": ".*"}),
    Row("60", "load and memory of the host are absent from /proc", "ENOENT; documented", "opens load", facts=ABSENT, n=6),
    Row("61", "no log and no counters of the kernel", "refused", "calls machinery",
        facts={"syslog": "EPERM", "perf_event_open": "EPERM", "*": ".*"}),
    Row("62", "new memory is zero", "0 other bytes", "zeroes", facts={"*": "0"}, n=5, resources={"memory_bytes": 512 * MIB}),
    Row("63", "what is there and forbidden looks like what is not", "one errno", "opens oracle", facts=ABSENT, n=4),
    Row("69a", "signals that the daemon ignored are not ignored in a job", "none", "state",
        facts={"signals not as usual": "", "*": ".*"}),
    Row("69b", "no signal at all is ignored or blocked, those of the C library included", "SigIgn 0, SigBlk 0", "look",
        check=look.no_signals),
    Row("E1", "CVE-2019-5736: the first program cannot be written through /proc", "refused; the keeper as it was",
        "opens kernel", facts={"/proc/self/exe 02": "ETXTBSY|EACCES|EROFS|EPERM", "*": ".*"}, n=22),
    Row("E1b", "CVE-2019-5736: no process can write its own memory through /proc", "refused", "memory_file",
        facts={"*": "EROFS|EACCES|EPERM|ENOENT"}, n=4),
    Row("E5", "CVE-2025-52881: what was set up is really so", "no_new_privs 1, seccomp 2", "state",
        facts={"privileges": "1 2 [01]", "*": ".*"}),
    Row("E9", "CVE-2022-27650: no capability in any set", "five sets of zero", "look", check=look.no_capabilities),
    Row("E10", "CVE-2017-5226: there is no terminal, and a session of its own", "sid = pid; TIOCSTI: 48, no tty: 49a", "state",
        facts={"ids": r"(\d) 1 \1 \1 1000 1000", "*": ".*"}),
    Row("E17", "CVE-2024-28185: names that the server will open are links, pipes and directories",
        "exit 0; nothing of the host", "replaced", inputs=[{"path": "input.txt", "text": "an input\n"}],
        facts={"*": "ok"}, check=look.nothing_of_the_host),
    Row("E22", "every mount is read-only but the scratch", "rw only /work, /tmp, /dev/shm", "look", check=look.read_only_mounts),
    Row("E24", "64 GiB of address space can be reserved", "ok", "reserve 64", facts={"reservation": "ok"},
        resources={"memory_bytes": 64 * MIB}),
]

ACCOUNTS = [
    Row("70a", "memory beyond the limit is oom", "oom", "eat anonymous", ends="oom", resources={"memory_bytes": 32 * MIB}),
    Row("70b", "exit 137 is an exit code", "exit 137", "die exit 137", ends="exit 137"),
    Row("70c", "SIGKILL by oneself is a signal", "signal 9", "die signal 9", ends="signal 9"),
    Row("70d", "the end of wall time is wall-time", "wall-time", "stopped stop", ends="wall-time", limits={"wall_s": 1}),
    Row("71", "a grandchild out of memory is noted though the main process ends well", "oom", "oom_grandchild",
        ends="oom", resources={"memory_bytes": 64 * MIB}),
    *[Row(f"72{letter}", f"CPU time {where} is counted", "the job's usage = what was used, + 1 %", f"burn {how} 600",
          check=look.cpu_is_exact, alone=True)
      for letter, how, where in (("a", "self", "of the program"), ("b", "kernel", "in the kernel"),
                                 ("c", "threads", "of threads"),
                                 ("d", "vfork", "of a vfork child"), ("e", "daemons", "of daemons nobody waits for"))],
    Row("72f", "CPU time under a quota is counted", "the job's usage = what was used, + 1 %", "burn threads 300",
        check=look.cpu_is_exact, resources={"cpus": 0.5}, alone=True),
    Row("73a", "a job shorter than a millisecond has its usage", "recorded; the set-up is not billed", command=["true"],
        check=look.usage_of_nothing),
    Row("73b", "a program that is not executed costs nothing", "no CPU time to speak of", ends="exec-failed",
        command=["/usr/bin/no-such-program"], check=look.usage_of_nothing),
    Row("75a", "10 MB of everything are kept byte by byte", "bytes preserved", f"bytes {10 * 1000 * 1000} 4093",
        limits={"output_bytes": 16 * MIB}, check=look.log_is_everything(10 * 1000 * 1000)),
    Row("75b", "the cap is exact, between the bytes of a character, too", "cap exact; truncated", "bytes 100001 7",
        limits={"output_bytes": 54321}, check=look.log_cut_exactly(54321)),
    Row("75c", "output of just the cap is not cut", "all bytes; not truncated", "bytes 65536", limits={"output_bytes": 65536},
        check=look.log_is_everything(65536)),
    Row("76", "writers on both streams keep their lines, and one that lives on holds nothing up",
        "all lines; no wait for the pipe", "writers 2000", check=look.all_of(look.two_writers(2000), look.seconds_within(10))),
]

EXITS = (range(256) if NIGHTLY else
         (0, 1, 2, 3, 42, 64, 77, 100, 125, 126, 127, 128, 129, 130, 134, 137, 139, 143, 192, 254, 255))
# 19 and 20 to 22 stop; 17, 18, 23 and 28 do nothing: these cannot end a program.
HARMLESS = (17, 18, 19, 20, 21, 22, 23, 28)
SIGNALS = ([n for n in range(1, 65) if n not in (*HARMLESS, 32, 33)] if NIGHTLY else
           (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 24, 25, 31, 34, 64))
WAYS_TO_END = [
    *[Row(f"P12 exit {n}", "an exit code is reported exactly", f"exit {n}", command=["sh", "-c", f"exit {n}"],
          ends=f"exit {n}") for n in EXITS],
    *[Row(f"P12 signal {n}", "a signal is reported exactly", f"signal {n}", command=["sh", "-c", f"kill -{n} $$"],
          ends=f"signal {n}") for n in SIGNALS],
]

# Probes that are parts of others, and where.
PART_OF = {
    "39": "36 (abstract socket and socket file of the host), 65 (of another tenant's job)",
    "74": "test_faults_clock.py (a daemon and keepers whose wall clock jumps); 44 (no job can set the clock)",
    "E4": "49a (there are no terminals)",
    "E6": "E13 (nothing is shared between runs; launches beside a job that changes what it has)",
    "E7": "test_the_host_is_as_it_was, test_nothing_stays_of_hostile_jobs (no new file of these uids)",
    "E11": "69 (nothing is kept between runs)",
    "E16": "64, 65 (the matrix of channels)",
    "E18": "16a, 23 (nothing is followed, and modes on the host are plain)",
    "E19": "36, 37 (no address answers)",
    "E20": "43, 51 (no control group can be mounted or seen)",
    "E21": "77",
    "E23": "70, 71 (five ends, five verdicts)",
}
ROWS = [*RESOURCES, *FILES, *PROCESSES, *NETWORK, *KERNEL, *LEAKS, *ACCOUNTS, *WAYS_TO_END]
