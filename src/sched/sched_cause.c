/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts come from the kernel alone: the wait status, the cgroup's own OOM counter, the keeper's
 * clocks.  What a simulation says about itself decides nothing but its environment's criteria.
 */
#include "sched_cause.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

const char *
sched_category_name(enum sched_category c)
{
	static const char *const names[] = { [SCHED_USER] = "user",
		[SCHED_NUMERICAL] = "numerical",
		[SCHED_RESOURCE] = "resource",
		[SCHED_PLATFORM] = "platform" };

	REQUIRE((size_t)c < ARRAY_LEN(names));
	return names[c];
}

void
sched_message(char out[static SCHED_MESSAGE_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(out, SCHED_MESSAGE_SIZE, fmt, ap); /* a cut sentence is still one */
	va_end(ap);
}

static void PRINTF_LIKE(4, 5)
    say(struct sched_cause *c, enum sched_category category, const char *kind, const char *fmt, ...)
{
	va_list ap;

	c->ok = false;
	c->category = category;
	c->kind = kind;
	va_start(ap, fmt);
	(void)vsnprintf(c->message, sizeof(c->message), fmt, ap); /* a cut sentence is still one */
	va_end(ap);
}

static void
exited(const struct sched_facts *f, struct sched_cause *c)
{
	c->has_exit_code = true;
	c->exit_code = f->outcome->exit_code;
	if (c->exit_code != f->success_exit_code)
		say(c, SCHED_USER, "exit-code",
		    "The simulation ended with exit code %lld; its log says why.",
		    (long long)c->exit_code);
	else if (f->criteria != NULL)
		say(c, SCHED_NUMERICAL, "success-criteria",
		    "The simulation ended, but not well: %.160s; check the model and its log.",
		    f->criteria);
	else
		c->ok = true;
}

static void
signaled(const struct sched_facts *f, struct sched_cause *c)
{
	int sig = (int)f->outcome->signal;
	const char *name = sigabbrev_np(sig);

	c->has_signal = true;
	c->signal = f->outcome->signal;
	if (sig == SIGKILL && f->outcome->memory_uncounted) {
		say(c, SCHED_USER, "signal",
		    "The simulation was ended by signal 9 (SIGKILL), by itself or because memory "
		    "ran out, "
		    "which this server cannot tell apart without control groups.");
		return;
	}
	/* Only a program that asked for traps dies of an invalid operation: it diverged. */
	say(c, sig == SIGFPE ? SCHED_NUMERICAL : SCHED_USER, "signal",
	    "The simulation was ended by signal %d (SIG%s), sent by itself or raised by a fault in "
	    "it; "
	    "its log may say where.",
	    sig, name != NULL ? name : "?");
}

/* The host was short of something: trying again may help, changing the job does not. */
static bool
transient(int sys)
{
	return sys == EAGAIN || sys == ENOMEM || sys == EMFILE || sys == ENFILE || sys == EIO ||
	       sys == EINTR;
}

static void
exec_failed(const struct sched_facts *f, struct sched_cause *c)
{
	const char *why = strerrordesc_np(f->outcome->sys);

	/* The kernel says ENOENT for a program whose loader or interpreter is missing, too. */
	say(c, transient(f->outcome->sys) ? SCHED_PLATFORM : SCHED_USER, "exec-failed",
	    "The program could not be executed (%s); check that the command names a program of the "
	    "environment%s.",
	    why != NULL ? why : "unknown error",
	    f->outcome->sys == ENOENT ? " and that the environment has the loader or interpreter "
					"that it begins with"
				      : "");
}

static void
fault(const struct sched_facts *f, struct sched_cause *c)
{
	const struct compute_outcome *o = f->outcome;
	const char *why = o->sys != 0 ? strerrordesc_np(o->sys) : NULL;

	if (f->fault != NULL)
		say(c, SCHED_PLATFORM, "sandbox", "The attempt could not be run: %.200s", f->fault);
	else
		say(c, SCHED_PLATFORM, "sandbox",
		    "The sandbox failed at the step '%s'%s%s; this is the server's fault and costs "
		    "no "
		    "attempt.",
		    o->what != NULL ? o->what : "unknown", why != NULL ? ": " : "",
		    why != NULL ? why : "");
}

void
sched_cause_lost(struct sched_cause *ret)
{
	*ret = (struct sched_cause){ 0 };
	say(ret, SCHED_PLATFORM, "lost",
	    "The machine lost track of the attempt; this is the server's fault and costs no "
	    "attempt.");
}

void
sched_cause_canceled(struct sched_cause *ret)
{
	*ret = (struct sched_cause){ 0 };
	say(ret, SCHED_USER, "canceled", "The job was canceled; submit it again to run it.");
}

void
sched_cause_of(const struct sched_facts *f, struct sched_cause *ret)
{
	if (f->canceled) {
		/* However it came about: the wish was first. */
		sched_cause_canceled(ret);
		return;
	}
	*ret = (struct sched_cause){ 0 };
	switch (f->outcome->kind) {
	case COMPUTE_EXITED:
		exited(f, ret);
		break;
	case COMPUTE_SIGNALED:
		signaled(f, ret);
		break;
	case COMPUTE_OOM:
		say(ret, SCHED_RESOURCE, "oom",
		    "The simulation needed more memory than it asked for; raise "
		    "resources.memory_bytes.");
		break;
	case COMPUTE_WALL:
		say(ret, SCHED_RESOURCE, "wall-time",
		    "The simulation used up its wall time; raise limits.wall_s or make the model "
		    "smaller.");
		break;
	case COMPUTE_CPU_TIME:
		say(ret, SCHED_RESOURCE, "cpu-time",
		    "The simulation used up its CPU time; raise limits.cpu_s or make the model "
		    "smaller.");
		break;
	case COMPUTE_NO_OUTPUT:
		say(ret, SCHED_RESOURCE, "no-output",
		    "The simulation wrote nothing for longer than allowed; raise "
		    "limits.no_output_s or "
		    "make it report progress.");
		break;
	case COMPUTE_SCRATCH:
		say(ret, SCHED_RESOURCE, "scratch-space",
		    "The inputs did not fit into the job's scratch space; raise "
		    "resources.disk_bytes.");
		break;
	case COMPUTE_EXEC_FAILED:
		exec_failed(f, ret);
		break;
	case COMPUTE_FAULT:
		fault(f, ret);
		break;
	case COMPUTE_STOPPED: /* by this daemon, when it could no longer trust its lease */
	case COMPUTE_GONE:
		sched_cause_lost(ret);
		break;
	}
}

static void
put_number(struct json_out *o, const char *name, bool there, int64_t v)
{
	if (there)
		json_put_i64(o, name, v);
	else
		json_put_null(o, name);
}

void
sched_cause_print(const struct sched_cause *c, struct buf *out)
{
	struct json_out o;

	json_out_init(&o, out);
	json_out_begin(&o);
	json_put_text(&o, "category", sched_category_name(c->category));
	json_put_text(&o, "kind", c->kind);
	put_number(&o, "exit_code", c->has_exit_code, c->exit_code);
	put_number(&o, "signal", c->has_signal, c->signal);
	json_put_text(&o, "message", c->message);
	json_out_end(&o);
}
