/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run is told to end.  Its environment's recipe first: a signal to the main process, a file
 * in /work, or both; when that did not help in its time, TERM to every process, grace, KILL to
 * every process.  There is no way past the last: one kill(-1) reaches every process of the pid
 * namespace, and what is forking at that moment does not come to be.
 */
#include "account.h"

#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A file without a name, then a link: whole or absent for whoever looks for it, and never in the
 * place of something that is there already, be it a FIFO, a directory or a link to elsewhere. */
static int
put_file(int work_fd, const char *name, const char *text, struct err *e)
{
	AUTO_FD int fd = openat(work_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	char path[32];

	if (fd < 0)
		return err_sys(e, errno, "cannot create the file of the stop recipe");
	if (fd_write_all(fd, text, strlen(text), e) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, work_fd, name, AT_SYMLINK_FOLLOW) < 0)
		return err_sys(e, errno, "cannot put the file of the stop recipe in place");
	return 0;
}

/* The effective set only: what is permitted can be taken back. */
static int
keep_effective(uint32_t mask)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -1;
	data[0].effective = data[0].permitted & mask;
	return (int)syscall(SYS_capset, &head, data);
}

/* With the simulation's rights and no others: /work is hostile, and it may only do there what the
 * simulation could.  Another user's id takes the capabilities over files away as long as it lasts;
 * where it is the same one they are put aside. */
static bool
ask_by_file(const struct keeper *k)
{
	const struct sandbox_stop *r = &k->launch.stop;
	const uid_t uid = k->rights->sim_uid;
	AUTO_FD int work_fd = open("/work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err ignored = { 0 }; /* then TERM asks */
	bool put = false;

	if (work_fd < 0)
		return false;
	(void)setfsgid(uid);
	(void)setfsuid(uid);
	/* The only way to learn whether they were taken. */
	if (setfsuid((uid_t)-1) == (int)uid && setfsgid((gid_t)-1) == (int)uid &&
	    (uid != KEEPER_UID || keep_effective(0) == 0))
		put = put_file(work_fd, r->file, r->text == NULL ? "" : r->text, &ignored) == 0;
	(void)setfsuid(KEEPER_UID);
	(void)setfsgid(KEEPER_UID);
	if (uid == KEEPER_UID && keep_effective(UINT32_MAX) < 0)
		return false;
	/* A change of ids takes the host's default for this. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return put;
}

static bool
ask_by_signal(const struct keeper *k, int sig)
{
	const bool sent = kill(k->pid, sig) == 0;

	(void)kill(k->pid, SIGCONT); /* a stopped process would take the first only after this */
	return sent;
}

static bool
ask(const struct keeper *k)
{
	const struct sandbox_stop *r = &k->launch.stop;
	const bool by_file = r->file != NULL && ask_by_file(k);
	const bool by_signal = r->signal != 0 && ask_by_signal(k, r->signal);

	return by_file || by_signal;
}

static void
term_all(struct stop *s, const struct keeper *k)
{
	s->asked = false;
	s->next = deadline_in_ms(k->order.limits.grace_ms);
	(void)kill(-1, SIGTERM); /* ESRCH: nobody is left */
	(void)kill(-1, SIGCONT);
}

void
stop_begin(struct stop *s, const struct keeper *k, enum sandbox_outcome reason)
{
	if (s->reason != 0)
		return;
	s->reason = reason;
	s->asked = ask(k);
	if (s->asked)
		s->next = deadline_in_ms(k->launch.stop.wait_ms);
	else
		term_all(s, k);
}

void
stop_now(struct stop *s, enum sandbox_outcome reason)
{
	if (s->reason == 0)
		s->reason = reason;
	s->next = (struct deadline){ 0 };
	(void)kill(-1, SIGKILL);
}

void
stop_look(struct stop *s, const struct keeper *k)
{
	if (!deadline_passed(s->next))
		return;
	if (s->asked)
		term_all(s, k);
	else
		stop_now(s, s->reason);
}
