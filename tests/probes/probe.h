/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_H
#define PROBE_H

/*
 * wardian-hostile: one static program that behaves badly in the way its first word names.  It runs
 * as a job and reports facts, one JSON object a line on stdout:
 *
 *   {"fact":"unshare user","got":"EPERM"}
 *
 * It judges nothing: what must hold stands in tests/it/hostile_jobs.py.  Its exit status is 0 when
 * the act was carried out to its end, whatever came of it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define ADDR(p) ((long)(intptr_t)(p))

/* One line.  The text is made printable, and cut at about 900 bytes. */
void fact(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "ok", or the name of errno when rc is negative. */
void fact_rc(const char *name, long rc);
void fact_number(const char *name, long long n);

/* Does it in a child of one second at most: the name of errno, "ok", the signal it died of, or
 * "blocks". */
typedef long (*probe_call)(const void *arg);
void fact_child(const char *name, probe_call call, const void *arg);

/* The number of an argument, or `otherwise` when there is none. */
long argument(char **argv, int i, long otherwise);
/* Milliseconds of the monotonic clock. */
long long now_ms(void);
/* Sleeps until it is killed. */
void wait_for_the_end(void);
/* Runs itself in n threads, or as many as the kernel gives; the number of them. */
long start_threads(long n, void *(*body)(void *), void *arg);

/* An act gets the words behind its name, the last of them NULL. */
typedef int (*act)(char **argv);
#define ACTS(X)                                                                                    \
	X(calls)                                                                                   \
	X(foreign)                                                                                 \
	X(every_call)                                                                              \
	X(threads)                                                                                 \
	X(opens)                                                                                   \
	X(look)                                                                                    \
	X(state)                                                                                   \
	X(zeroes)                                                                                  \
	X(bomb)                                                                                    \
	X(storm)                                                                                   \
	X(eat)                                                                                     \
	X(descriptors)                                                                             \
	X(locked)                                                                                  \
	X(spin)                                                                                    \
	X(fill)                                                                                    \
	X(inodes)                                                                                  \
	X(timers)                                                                                  \
	X(flood)                                                                                   \
	X(drip)                                                                                    \
	X(bytes)                                                                                   \
	X(writers)                                                                                 \
	X(stuck)                                                                                   \
	X(reserve)                                                                                 \
	X(links)                                                                                   \
	X(specials)                                                                                \
	X(sparse)                                                                                  \
	X(hard_links)                                                                              \
	X(unlinked)                                                                                \
	X(names)                                                                                   \
	X(attributes)                                                                              \
	X(deep)                                                                                    \
	X(many)                                                                                    \
	X(changing)                                                                                \
	X(replaced)                                                                                \
	X(escape)                                                                                  \
	X(signals_out)                                                                             \
	X(stopped)                                                                                 \
	X(zombies)                                                                                 \
	X(orphans)                                                                                 \
	X(die)                                                                                     \
	X(executions)                                                                              \
	X(set_user_id)                                                                             \
	X(names_of_processes)                                                                      \
	X(limits_raised)                                                                           \
	X(memory_file)                                                                             \
	X(oom_grandchild)                                                                          \
	X(watch_others)                                                                            \
	X(reach)                                                                                   \
	X(passed_descriptors)                                                                      \
	X(mark)                                                                                    \
	X(listen_for)                                                                              \
	X(exhaust)                                                                                 \
	X(burn)                                                                                    \
	X(witness)
#define DECLARE(name) int act_##name(char **argv);
ACTS(DECLARE)
#undef DECLARE

#endif
