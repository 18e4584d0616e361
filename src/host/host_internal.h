/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

/*
 * Between asking and judging: what only system calls tell is collected as facts, and every row is a
 * function of facts and files.  So tests play any machine with a tree of files and a struct.
 */

#include "base.h"
#include "gpu.h"
#include "host.h"

#include <stdbool.h>

/* Parts of the trial sandbox. */
enum host_part {
	HOST_PART_NAMESPACES, /* all of them; for root without the user namespace */
	HOST_PART_USER,       /* the user namespace with its map */
	HOST_PART_TMPFS,
	HOST_PART_PROC,
	HOST_PART_USR,
	HOST_PART_DEVICE,
	HOST_PARTS
};
enum { HOST_SYSCALLS = 11, HOST_UNTRIED = -1 /* in place of an errno */ };

struct host_disk {
	int failed;  /* errno of the look at the state directory, or at what will hold it */
	bool exists; /* else this is of the directory above it */
	int64_t bytes, bytes_free, files, files_free; /* free: for this user */
	int64_t type;                                 /* f_type of statfs(2) */
	int tmpfile, xattr, quota;                    /* errno of the try */
};
struct host_facts {
	uint32_t uid;               /* effective; there before anything is asked */
	int syscall[HOST_SYSCALLS]; /* errno, by host_syscall_name */
	int seccomp;                /* errno of asking whether a filter may refuse */
	int landlock;               /* version, or -errno */
	int part[HOST_PARTS];       /* errno */
	int64_t cpus, cpus_allowed;
	bool clock_in_step;
	struct host_disk disk;
	bool gpus_failed;
	struct gpus gpus;
};
const char *host_syscall_name(size_t i);

/* --- asking --------------------------------------------------------------------------------- */

/* All that answers at once, then what may be slow. */
void host_ask_kernel(struct host_facts *ret);
void host_ask_disk(const char *state_dir, struct host_disk *ret);
void host_ask_gpus(struct host_facts *ret);
/* Builds the walls of a sandbox in a child that ends with them; at most two seconds. */
void host_try_sandbox(bool root, int ret_part[static HOST_PARTS]);

/* --- judging -------------------------------------------------------------------------------- */

enum host_outcome {
	HOST_GOOD,
	HOST_LESS,    /* there, but not as it could be: never more than "weaker" */
	HOST_LACKING, /* as bad as the row's level says */
	HOST_UNSEEN
};
struct host_view {
	int root_fd;
	const struct host_options *o;
	const struct host_facts *f;
	struct host_report *report; /* rows before this one are filled */
	struct host_finding *out;   /* of this row */
};
/* The only way in which a check answers; the first answer holds. */
void host_say(const struct host_view *v, enum host_outcome outcome, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Opens the root; -1 when it cannot be. */
int host_view_open(const struct host_options *o, const struct host_facts *f,
    struct host_report *report, struct host_view *ret, struct err *e) MUST_CHECK;
void host_view_close(struct host_view *v);
void host_judge_row(struct host_view *v, enum host_check check);
/* After the last row: the bits of what a sandbox lacks. */
void host_judge_weak(const struct host_view *v);
bool host_good(const struct host_report *r, enum host_check check);

#define HOST_CHECK(name, word, as_root, as_user, what, fix)                                        \
	void host_check_##name(const struct host_view *v);
#include "host.def"
#undef HOST_CHECK

/* --- files ------------------------------------------------------------------------------------ */

/* The whole of a file below the root: 0, or the errno (*ret_text is NULL then). */
int host_read(const struct host_view *v, const char *path, char **ret_text);
/* The first line without its end; the errno. */
enum { HOST_LINE_SIZE = 256 };
int host_read_line(const struct host_view *v, const char *path, char out[static HOST_LINE_SIZE]);
/* A file that is one number; the errno, EINVAL for anything else. */
int host_read_number(const struct host_view *v, const char *path, int64_t *ret);
/* The effective capabilities of this process; the errno. */
int host_capabilities(const struct host_view *v, uint64_t *ret);
/* The number behind "key" at the beginning of a line, after blanks or a colon; -1: none. */
int64_t host_number_of(const char *text, const char *key);
/* The next line of a text, cut out of it in place; NULL at its end. */
char *host_next_line(char **rest);
/* Whether a list of words (parted by one of `parts`) holds the word. */
bool host_has_word(const char *list, const char *parts, const char *word);
/* Adds a word to a list in a message, behind `part` unless it is the first; a list that is full
 * ends early. */
enum { HOST_LIST_SIZE = 160 };
void host_list_add(char list[static HOST_LIST_SIZE], const char *part, const char *word);
/* A path below the root, by the rights of the effective user: 0 or the errno. */
int host_may(const struct host_view *v, const char *path, int mode);
/* "name" and why it cannot be told: EACCES for an ordinary user is said as such. */
void host_say_unseen(const struct host_view *v, const char *path, int sys);

#endif
