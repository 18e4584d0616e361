/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BPF_ASK_H
#define BPF_ASK_H

/* The layers of the filter in an interpreter, for the tests beside this; after cmocka.h. */

#include "keeper.h"
#include "sandbox_seccomp_internal.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>

#ifdef __x86_64__
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif

static inline uint32_t
load(const struct seccomp_data *d, uint32_t offset)
{
	uint32_t v;

	assert_true(offset % 4 == 0);
	assert_true(offset + 4 <= sizeof(*d));
	memcpy(&v, (const char *)d + offset, sizeof(v));
	return v;
}

static inline uint32_t
interpret(const struct seccomp_code *c, const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t at = 0; at < c->n; at++) {
		const struct sock_filter *f = &c->at[at];

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			a = load(d, f->k);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			fail_msg("instruction %zu has code %#x", at, f->code);
		}
	}
	fail_msg("the program runs over its end");
	return 0;
}

/* Both layers of a run. */
struct layers {
	struct seccomp_code all, sim;
};

static inline void
compile_both(struct layers *l)
{
	sandbox_seccomp_compile(SECCOMP_ALL, &l->all);
	sandbox_seccomp_compile(SECCOMP_SIM, &l->sim);
}

/* As the kernel does: the lower action as a signed number is the stricter one, and of two of one
 * kind the layer's that was loaded last. */
static inline uint32_t
stricter(uint32_t later, uint32_t earlier)
{
	return (int32_t)(earlier & SECCOMP_RET_ACTION_FULL) <
		       (int32_t)(later & SECCOMP_RET_ACTION_FULL)
		   ? earlier
		   : later;
}

static inline uint32_t
ask_one(const struct seccomp_code *c, long nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	const struct seccomp_data d = { .nr = (int)nr, .arch = NATIVE, .args = { a0, a1, a2 } };

	return interpret(c, &d);
}

static inline uint32_t
ask(const struct layers *l, long nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	return stricter(ask_one(&l->sim, nr, a0, a1, a2), ask_one(&l->all, nr, a0, a1, a2));
}

#endif
