/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What GPUs this node has, told once in the log.  How much memory they have the driver says to
 * nobody but its own library, so its own program is asked, which may hang on a broken device: it
 * has a few seconds, and what it prints is a stranger's text.
 */
#include "clock.h"
#include "daemon_internal.h"
#include "fd.h"
#include "gpu.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASK_MS = 5000, REAP_MS = 1000, NAP_MS = 20, ANSWER_MAX = 16 << 10 };

static const char asked[] = "/usr/bin/nvidia-smi";

/* --- memory ----------------------------------------------------------------------------------- */

static int
start(int out_fd, pid_t *ret)
{
	char *const env[] = { (char[]){ "PATH=/usr/bin:/bin" }, NULL };
	char *const argv[] = { (char[]){ "nvidia-smi" },
		(char[]){ "--query-gpu=uuid,memory.total" },
		(char[]){ "--format=csv,noheader,nounits" }, NULL };
	posix_spawn_file_actions_t files;
	int rc = posix_spawn_file_actions_init(&files);

	if (rc != 0)
		return rc;
	rc = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&files, out_fd, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(
		    &files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn(ret, asked, &files, NULL, argv, env);
	(void)posix_spawn_file_actions_destroy(&files); /* cannot fail on Linux */
	return rc;
}

/* Up to the end of the file, of the room or of the time; the text that came. */
static void
read_answer(int fd, struct deadline until, char text[static ANSWER_MAX + 1])
{
	size_t n = 0;

	while (n < ANSWER_MAX) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&p, 1, deadline_poll_ms(until)) <= 0)
			break;
		got = read(fd, text + n, ANSWER_MAX - n);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	text[n] = '\0';
}

/* One that a broken driver does not let die is left behind: it ends with the machine. */
static void
reap(pid_t pid)
{
	struct deadline until = deadline_in_ms(REAP_MS);
	int status;

	(void)kill(pid, SIGKILL); /* it has answered, or had its time */
	while (waitpid(pid, &status, WNOHANG) == 0 && !deadline_passed(until))
		(void)poll(NULL, 0, NAP_MS);
}

static void
ask_memory(struct gpus *g)
{
	AUTO_FREE char *text = malloc(ANSWER_MAX + 1);
	int ends[2];
	pid_t pid;

	if (text == NULL || access(asked, X_OK) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return;
	if (start(ends[1], &pid) == 0) {
		fd_close(&ends[1]);
		read_answer(ends[0], deadline_in_ms(ASK_MS), text);
		reap(pid);
		gpu_memory_read(text, g);
	}
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}

/* --- the list --------------------------------------------------------------------------------- */

static const char *
or_else(const char *text, const char *other)
{
	return text[0] != '\0' ? text : other;
}

static void
say(const struct log *log, const struct gpus *g)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct gpu *at = &g->at[i];
		char memory[PARSE_UNIT_SIZE] = "unknown memory";

		if (at->memory_bytes > 0)
			format_bytes(at->memory_bytes, memory);
		log_info(log, "GPU %u: %s, %s, %s, %s", at->minor,
		    or_else(at->model, "unknown model"), memory, or_else(at->uuid, "unknown id"),
		    or_else(at->bus, "unknown place"));
	}
	if (g->n == 0)
		log_info(log, "no GPUs on this machine");
	if (g->n_closed > 0)
		log_warn(log,
		    "%zu GPUs are not open to everyone, so jobs cannot have them; give their files "
		    "in /dev the mode 0666",
		    g->n_closed);
}

static bool
has_control(const struct gpus *g, enum gpu_control c)
{
	return (g->controls >> c & 1) != 0;
}

uint64_t
gpus_find(const struct conf *c, const struct log *log)
{
	const bool real = c->sandbox_gpu_dev[0] == '\0' && c->sandbox_gpu_proc[0] == '\0';
	const struct gpu_places places = {
		.dev = c->sandbox_gpu_dev[0] == '\0' ? NULL : c->sandbox_gpu_dev,
		.proc = c->sandbox_gpu_proc[0] == '\0' ? NULL : c->sandbox_gpu_proc
	};
	AUTO_FREE struct gpus *g = calloc(1, sizeof(*g));
	struct err e = { 0 };

	if (g == NULL) {
		log_error(log, "no memory for the list of GPUs; jobs get none");
		return 0;
	}
	if (gpu_list(&places, g, &e) < 0) {
		log_err(log, LOG_LEVEL_WARN, &e, "look for GPUs; jobs get none");
		return 0;
	}
	if (g->n > 0 && real)
		ask_memory(g);
	say(log, g);
	if (g->n > 0 && !has_control(g, GPU_CONTROL_CTL)) {
		log_warn(
		    log, "/dev/nvidiactl is missing, so jobs get no GPU; nvidia-modprobe makes it");
		return 0;
	}
	if (g->n > 0 && !has_control(g, GPU_CONTROL_UVM))
		log_warn(log,
		    "/dev/nvidia-uvm is missing, so CUDA finds no GPU in jobs; nvidia-modprobe -u "
		    "-c 0 makes it");
	return gpu_mask(g);
}
