/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library for LD_PRELOAD that makes allocations of wardiand fail, on the orders of a file that a
 * test keeps mapped, too: FAIL_MALLOC names it.  In every other program, and in what the daemon
 * starts, it does nothing.  The daemon changes its user, so the file is opened when it is loaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MODE_OFF, MODE_ONCE, MODE_ON, MODE_RATE };

/* As tests/it/fault_memory.py lays it out. */
struct orders {
	_Atomic(int64_t) calls;  /* allocations so far */
	_Atomic(int64_t) failed; /* of them */
	_Atomic(int64_t) left;   /* ONCE, ON: this many succeed before the first that fails */
	_Atomic(uint32_t) mode;
	_Atomic(uint32_t) rate; /* RATE: one of so many fails */
	_Atomic(uint64_t) seed;
};

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static _Atomic(struct orders *) orders;

static bool
is_wardiand(void)
{
	char name[16] = "";
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, name, sizeof(name) - 1);

	if (fd >= 0)
		(void)close(fd);
	return n > 0 && strncmp(name, "wardiand\n", (size_t)n) == 0;
}

__attribute__((constructor)) static void
take_orders(void)
{
	const char *path = getenv("FAIL_MALLOC");
	int fd = path == NULL || !is_wardiand() ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(struct orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p != MAP_FAILED)
		atomic_store(&orders, p);
}

/* splitmix64: every call takes the next number of one sequence, whatever the threads do. */
static uint64_t
next_random(struct orders *o)
{
	uint64_t z = atomic_fetch_add(&o->seed, UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static bool
must_fail(void)
{
	struct orders *o = atomic_load(&orders);
	int64_t left;

	if (o == NULL)
		return false;
	atomic_fetch_add(&o->calls, 1);
	switch (atomic_load(&o->mode)) {
	case MODE_ONCE:
		left = atomic_fetch_sub(&o->left, 1);
		return left == 0;
	case MODE_ON:
		left = atomic_fetch_sub(&o->left, 1);
		return left <= 0;
	case MODE_RATE:
		return next_random(o) % atomic_load(&o->rate) == 0;
	default:
		return false;
	}
}

static bool
fails(void)
{
	if (!must_fail())
		return false;
	atomic_fetch_add(&atomic_load(&orders)->failed, 1);
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}

int
posix_memalign(void **ret, size_t align, size_t n)
{
	void *p = fails() ? NULL : __libc_memalign(align, n);

	if (p == NULL)
		return ENOMEM;
	*ret = p;
	return 0;
}

void *
aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : __libc_memalign(align, n);
}
