/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles seccomp.def to BPF.  Every system call of a run goes through the large layer, so the
 * numbers are not compared one by one: they are sorted into ranges with one answer, and the ranges
 * into a balanced tree whose leaves share four returns.  That is about 200 instructions where one
 * comparison per call would be 400.  libseccomp gives the numbers of this architecture.
 *
 *   architecture ─▶ argument checks, one block per row ─▶ tree over ranges ─▶
 * allow|eperm|enosys|kill
 *
 * The small layer is loaded for each run, at about 1 us per instruction: one comparison per row.
 * Of two layers the kernel takes the stricter answer, so it names only what it takes away.
 *
 * The daemon's own filter (seccomp_daemon.def) is compiled in the same way, with another answer for
 * what no row names.
 */
#include "sandbox_seccomp_internal.h"

#include "fd.h"
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "name this architecture's AUDIT_ARCH_ constant"
#endif

enum { X32_BIT = 0x40000000, NUMBERS = 1024, VALUES_MAX = 32 };
#define ALL_BITS 0xffffffffu

enum answer { ANSWER_ALLOW, ANSWER_REFUSE, ANSWER_UNKNOWN, ANSWER_KILL, ANSWERS };
static const uint32_t answer_actions[ANSWERS] = {
	[ANSWER_ALLOW] = SECCOMP_RET_ALLOW,
	[ANSWER_REFUSE] = SECCOMP_RET_ERRNO | EPERM,
	[ANSWER_UNKNOWN] = SECCOMP_RET_ERRNO | ENOSYS,
	[ANSWER_KILL] = SECCOMP_RET_KILL_PROCESS,
};

struct call {
	const char *name;
	enum answer answer;
};
static const struct call run_calls[] = {
#define ALLOW(name) { name, ANSWER_ALLOW },
#define REFUSE(name) { name, ANSWER_REFUSE },
#define SETUP(name, sys) { name, ANSWER_ALLOW },
#include "seccomp.def"
#undef ALLOW
#undef REFUSE
#undef SETUP
};
static const struct call setup_calls[] = {
#define SETUP(name, sys) { name, (sys) == EPERM ? ANSWER_REFUSE : ANSWER_UNKNOWN },
#include "seccomp.def"
#undef SETUP
};
static const struct setup_argument {
	const char *name;
	unsigned index;
	uint32_t value;
} setup_arguments[] = {
#define SETUP_ARGUMENT(name, index, value) { name, index, value },
#include "seccomp.def"
#undef SETUP_ARGUMENT
};
static const struct call daemon_calls[] = {
#define REFUSE(name) { name, ANSWER_REFUSE },
#define ABSENT(name) { name, ANSWER_UNKNOWN },
#include "seccomp_daemon.def"
#undef REFUSE
#undef ABSENT
};

enum argument_test { ONE_OF, NONE_OF };
struct argument {
	const char *name;
	unsigned index;
	uint32_t mask;
	enum argument_test test;
	uint32_t sys;
	size_t n;
	uint32_t values[VALUES_MAX];
};
#define COUNT(...) (sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))
#define ARGUMENT(name, index, mask, test, sys, ...)                                                \
	{ name, index, mask, test, sys, COUNT(__VA_ARGS__), { __VA_ARGS__ } },
static const struct argument run_arguments[] = {
#include "seccomp.def"
};
static const struct argument daemon_arguments[] = {
#include "seccomp_daemon.def"
};
#undef ARGUMENT
#define WIDER(name, index, mask, ...)                                                              \
	{ name, index, mask, ONE_OF, 0, COUNT(__VA_ARGS__), { __VA_ARGS__ } },
static const struct argument gpu_wider[] = {
#include "seccomp.def"
};
#undef WIDER
#undef COUNT

static const struct filter {
	const struct argument *arguments;
	size_t n_arguments;
	const struct call *calls;
	size_t n_calls;
	enum answer other; /* for a number that no row names */
	const struct argument *wider;
	size_t n_wider;
} run_filter = { run_arguments, ARRAY_LEN(run_arguments), run_calls, ARRAY_LEN(run_calls),
	ANSWER_UNKNOWN, NULL, 0 },
  gpu_filter = { run_arguments, ARRAY_LEN(run_arguments), run_calls, ARRAY_LEN(run_calls),
	  ANSWER_UNKNOWN, gpu_wider, ARRAY_LEN(gpu_wider) },
  daemon_filter = { daemon_arguments, ARRAY_LEN(daemon_arguments), daemon_calls,
	  ARRAY_LEN(daemon_calls), ANSWER_ALLOW, NULL, 0 };

static void
put(struct seccomp_code *c, uint16_t code, uint32_t k, size_t jt, size_t jf)
{
	REQUIRE(c->n < ARRAY_LEN(c->at));
	REQUIRE(jt <= UINT8_MAX);
	REQUIRE(jf <= UINT8_MAX);
	c->at[c->n++] = (struct sock_filter){ code, (uint8_t)jt, (uint8_t)jf, k };
}

static void
put_load(struct seccomp_code *c, size_t offset)
{
	put(c, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void
put_return(struct seccomp_code *c, uint32_t action)
{
	put(c, BPF_RET | BPF_K, action, 0, 0);
}

/* Expects the number in the accumulator and leaves it there.  wider: what else is allowed, or NULL.
 */
static void
put_argument(
    struct seccomp_code *c, const struct argument *a, const struct argument *wider, uint32_t nr)
{
	/* Little-endian: the low half of an argument comes first. */
	const size_t low = offsetof(struct seccomp_data, args) + a->index * sizeof(uint64_t);
	const size_t masked = a->mask != ALL_BITS;
	/* another mask and its comparisons */
	const size_t n_wider = wider == NULL ? 0 : 1 + wider->n;
	/* load, [and], n comparisons, one return for the refused case, reload of the number */
	put(c, BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1 + masked + a->n + n_wider + 2);
	put_load(c, low);
	if (masked)
		put(c, BPF_ALU | BPF_AND | BPF_K, a->mask, 0, 0);
	for (size_t i = 0; i < a->n; i++) {
		const size_t to_return = a->n - i - 1 + n_wider;
		const bool last = to_return == 0;

		if (a->test == ONE_OF)
			put(c, BPF_JMP | BPF_JEQ | BPF_K, a->values[i], to_return + 1, 0);
		else
			put(c, BPF_JMP | BPF_JEQ | BPF_K, a->values[i], to_return, last ? 1 : 0);
	}
	if (wider != NULL)
		put(c, BPF_ALU | BPF_AND | BPF_K, wider->mask, 0, 0);
	for (size_t i = 0; wider != NULL && i < wider->n; i++)
		put(c, BPF_JMP | BPF_JEQ | BPF_K, wider->values[i], wider->n - i, 0);
	put_return(c, SECCOMP_RET_ERRNO | a->sys);
	put_load(c, offsetof(struct seccomp_data, nr));
}

/* The row that widens this one; only one without a mask, which would be gone by then. */
static const struct argument *
find_wider(const struct filter *f, const struct argument *a)
{
	for (size_t i = 0; i < f->n_wider; i++)
		if (strcmp(f->wider[i].name, a->name) == 0 && f->wider[i].index == a->index) {
			REQUIRE(a->test == ONE_OF);
			REQUIRE(a->mask == ALL_BITS);
			return &f->wider[i];
		}
	return NULL;
}

struct range {
	uint32_t first;
	enum answer answer;
};
struct ranges {
	size_t n;
	struct range at[NUMBERS];
};

/* Number of a call here, or -1 where this architecture or this libseccomp does not know it: it then
 * gets the filter's answer for others, which for a run is ENOSYS, the closed side. */
static int
call_number(const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr >= 0 && nr < NUMBERS ? nr : -1;
}

/* A check that vanished would open the call, one that the set-up needs would close it. */
static uint32_t
required_number(const char *name)
{
	const int nr = call_number(name);

	REQUIRE(nr >= 0);
	return (uint32_t)nr;
}

static void
fill_ranges(const struct filter *f, struct ranges *r)
{
	uint8_t answers[NUMBERS];

	memset(answers, (int)f->other, sizeof(answers));
	for (size_t i = 0; i < f->n_calls; i++) {
		int nr = call_number(f->calls[i].name);

		if (nr >= 0)
			answers[nr] = (uint8_t)f->calls[i].answer;
	}
	r->n = 0;
	for (uint32_t nr = 0; nr < NUMBERS; nr++)
		if (nr == 0 || answers[nr] != answers[nr - 1])
			r->at[r->n++] = (struct range){ nr, (enum answer)answers[nr] };
	REQUIRE(r->n + 2 <= NUMBERS);
	if (r->at[r->n - 1].answer != f->other)
		r->at[r->n++] = (struct range){ NUMBERS, f->other };
	r->at[r->n++] = (struct range){ X32_BIT, ANSWER_KILL };
}

/* Emits the tree over ranges [lo, hi), hi - lo >= 2.  A jump to a shared return holds the answer
 * for now in jt or jf; fix_returns turns it into a distance.  Depth is the logarithm of the ranges.
 */
static void
put_tree(struct seccomp_code *c, const struct ranges *r, size_t lo, size_t hi, uint8_t *leaf)
{
	const size_t mid = lo + (hi - lo) / 2;
	const size_t at = c->n;

	put(c, BPF_JMP | BPF_JGE | BPF_K, r->at[mid].first, 0, 0);
	if (mid - lo == 1) {
		c->at[at].jf = (uint8_t)r->at[lo].answer;
		leaf[at] |= 1;
	} else {
		put_tree(c, r, lo, mid, leaf); /* jf 0: falls into it */
	}
	if (hi - mid == 1) {
		c->at[at].jt = (uint8_t)r->at[mid].answer;
		leaf[at] |= 2;
	} else {
		REQUIRE(c->n - at - 1 <= UINT8_MAX);
		c->at[at].jt = (uint8_t)(c->n - at - 1);
		put_tree(c, r, mid, hi, leaf);
	}
}

static void
fix_returns(struct seccomp_code *c, size_t from, const uint8_t *leaf)
{
	const size_t end = c->n;

	for (size_t i = from; i < end; i++) {
		size_t to_end = end - i - 1;

		REQUIRE(to_end + ANSWERS <= UINT8_MAX);
		if (leaf[i] & 1)
			c->at[i].jf = (uint8_t)(c->at[i].jf + to_end);
		if (leaf[i] & 2)
			c->at[i].jt = (uint8_t)(c->at[i].jt + to_end);
	}
	for (size_t i = 0; i < ANSWERS; i++)
		put_return(c, answer_actions[i]);
}

static void
compile(const struct filter *f, struct seccomp_code *c)
{
	uint8_t leaf[SECCOMP_CODE_MAX] = { 0 };
	struct ranges r;
	size_t tree;

	c->n = 0;
	put_load(c, offsetof(struct seccomp_data, arch));
	put(c, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	put_return(c, SECCOMP_RET_KILL_PROCESS);
	put_load(c, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < f->n_arguments; i++)
		put_argument(c, &f->arguments[i], find_wider(f, &f->arguments[i]),
		    required_number(f->arguments[i].name));
	tree = c->n;
	fill_ranges(f, &r);
	put_tree(c, &r, 0, r.n, leaf);
	fix_returns(c, tree, leaf);
}

/* One comparison per row, whose jt holds the answer until fix_returns.  Other architectures and
 * x32 are the large layer's to kill. */
static void
compile_setup(struct seccomp_code *c)
{
	uint8_t leaf[SECCOMP_CODE_MAX] = { 0 };

	c->n = 0;
	put_load(c, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_LEN(setup_calls); i++) {
		leaf[c->n] = 2;
		put(c, BPF_JMP | BPF_JEQ | BPF_K, required_number(setup_calls[i].name),
		    setup_calls[i].answer, 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(setup_arguments); i++) {
		const struct setup_argument *a = &setup_arguments[i];
		const bool last = i + 1 == ARRAY_LEN(setup_arguments);

		leaf[c->n] = last;
		put(c, BPF_JMP | BPF_JEQ | BPF_K, required_number(a->name), 0,
		    last ? ANSWER_ALLOW : 2);
		put_load(c, offsetof(struct seccomp_data, args) + a->index * sizeof(uint64_t));
		leaf[c->n] = 1 | 2;
		put(c, BPF_JMP | BPF_JEQ | BPF_K, a->value, ANSWER_REFUSE, ANSWER_ALLOW);
	}
	fix_returns(c, 0, leaf);
}

void
sandbox_seccomp_compile(enum seccomp_layer layer, struct seccomp_code *c)
{
	if (layer == SECCOMP_SIM)
		compile_setup(c);
	else
		compile(layer == SECCOMP_GPUS ? &gpu_filter : &run_filter, c);
}

void
sandbox_seccomp_compile_daemon(struct seccomp_code *c)
{
	compile(&daemon_filter, c);
}

int
sandbox_seccomp_program(enum seccomp_layer layer, int *ret_fd, struct err *e)
{
	AUTO_FD int fd = memfd_create("wardian-filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct seccomp_code code;

	if (fd < 0)
		return err_sys(e, errno, "cannot make a memory file");
	sandbox_seccomp_compile(layer, &code);
	if (fd_write_all(fd, code.at, code.n * sizeof(code.at[0]), e) < 0)
		return -1;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(e, errno, "cannot seal a memory file");
	*ret_fd = fd_take(&fd);
	return 0;
}

int
sandbox_lock_daemon(struct err *e)
{
	struct seccomp_code code;
	struct sock_fprog program = { .filter = code.at };

	sandbox_seccomp_compile_daemon(&code);
	program.len = (unsigned short)code.n;
	/* TSYNC: a thread that is there already must not stay outside. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
		return err_sys(e, errno, "cannot load the daemon's system call filter");
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER)
		return err_set(e, ERR_SYSTEM, "the daemon's system call filter is not in force");
	return 0;
}
