/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inputs, copied into /work.  /work is memory, and a page of it is charged to the group of
 * whoever wrote it first: a process of its own, inside the run's group, does the copying, so that
 * inputs count against the run's memory like everything that it writes later.  The keeper itself
 * stays outside, where no lack of memory in the run can reach it.
 */
#include "account.h"

#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the copying process leaves behind for the keeper, in memory that both share. */
struct staged {
	struct err e;
	size_t n;
	struct input at[INPUTS_MAX];
};

NORETURN static void
copy_and_exit(const struct keeper *k, struct tree_copy *copy, struct staged *s)
{
	struct inputs inputs = { .at = s->at, .cap = INPUTS_MAX };

	copy->inputs = &inputs;
	if (k->order.n_enter > 0 && write(KEEPER_FD_ENTER, "0", 1) != 1)
		_exit(err_sys(&s->e, errno, "cannot enter the control group") < 0);
	if (tree_copy(copy, &s->e) < 0)
		_exit(1);
	s->n = inputs.n;
	_exit(0);
}

static int
run_copy(struct keeper *k, struct tree_copy *copy, struct staged *s, struct err *e)
{
	siginfo_t info = { 0 };
	const pid_t pid = fork();

	if (pid == 0)
		copy_and_exit(k, copy, s);
	if (pid < 0)
		return err_sys(e, errno, "cannot start the copy of the inputs");
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "cannot wait for the copy of the inputs");
	if (info.si_code != CLD_EXITED)
		return err_sys(e, ENOMEM, "the copy of the inputs was killed");
	if (info.si_status == 0)
		return 0;
	*e = s->e;
	return -1;
}

int
stage_inputs(struct keeper *k, struct err *e)
{
	AUTO_FD int in_fd =
	    openat(KEEPER_FD_RUN, "in", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD int work_fd = -1;
	struct tree_copy copy = { .from_fd = in_fd, .strict = true, .owner = k->rights->sim_uid };
	struct staged *s;
	bool empty = true;

	if (in_fd < 0 && errno != ENOENT)
		return err_sys(e, errno, "cannot open the inputs");
	if (in_fd >= 0 && tree_empty(in_fd, &empty, e) < 0)
		return -1;
	if (empty)
		return 0;
	work_fd = open("/work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (work_fd < 0)
		return err_sys(e, errno, "cannot open the working directory");
	copy.to_fd = work_fd;
	/* Pages come to be as inputs do; the mapping stays as long as the keeper. */
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s == MAP_FAILED)
		return err_sys(e, errno, "no memory for the list of inputs");
	account_begin(k);
	if (run_copy(k, &copy, s, e) < 0)
		return -1;
	k->inputs = (struct inputs){ .at = s->at, .n = s->n, .cap = s->n };
	inputs_sort(&k->inputs);
	return 0;
}
