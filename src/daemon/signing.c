/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key that this node signs tokens with: <state.dir>/token.key, made when it is missing,
 * replaced when it is older than auth.signing_key_life.  A new one is registered before it is used,
 * so that the other daemons know it before its first token reaches them; the former one stays known
 * until its last token has expired.  Whether it is time is looked at once an hour, on a worker.
 */
#include "auth.h"
#include "clock.h"
#include "daemon_internal.h"
#include "fd.h"
#include "jwt_token.h"
#include "loop.h"
#include "tenant.h"
#include "work.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Those that were replaced are kept until the end, because a request may be signing with one. */
enum { SIGNERS_MAX = 64, LOOK_MS = 3600 * 1000 };

static const char file_name[] = "token.key";

struct signing {
	struct signing_options o;
	struct loop_timer *timer;
	/* written by one worker at a time */
	struct jwt_signer *signers[SIGNERS_MAX];
	size_t n; /* the last one signs */
};

/* Milliseconds since the file was made; -1 when there is none. */
static int64_t
age_ms(const struct signing *s)
{
	struct stat st;

	if (fstatat(s->o.dirfd, file_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return clock_wall_us() / 1000 - (int64_t)st.st_mtim.tv_sec * 1000;
}

static int
load(struct signing *s, struct err *e)
{
	AUTO_FREE char *pem = NULL;
	size_t n = 0;
	int rc;

	if (fd_read_file(s->o.dirfd, file_name, JWT_PEM_SIZE, &pem, &n, e) < 0)
		return -1;
	rc = jwt_signer_load(pem, &s->signers[s->n], e);
	auth_wipe(pem, n);
	if (rc < 0)
		return err_wrap(e,
		    "%s in the state directory is damaged; delete it to get a new one, which "
		    "makes present tokens invalid",
		    file_name);
	return 0;
}

static int
make(struct signing *s, struct err *e)
{
	struct jwt_signer *made = NULL;
	char pem[JWT_PEM_SIZE];
	int rc;

	if (jwt_signer_make(pem, &made, e) < 0)
		return -1;
	/* Kept first: a key that was kept and not registered is registered by the next start, but
	 * one that was registered and not kept would have retired the former one. */
	rc = fd_write_file(s->o.dirfd, file_name, pem, strlen(pem), 0600, e);
	if (rc == 0)
		rc = tenant_signing_key_register(s->o.db, s->o.node, made, e);
	auth_wipe(pem, sizeof(pem));
	if (rc < 0) {
		jwt_signer_free(made);
		return -1;
	}
	s->signers[s->n] = made;
	log_info(&s->o.log, "signing tokens with the new key %s", jwt_signer_kid(made));
	return 0;
}

/* The first key, whether it was there or not. */
static int
open_first(struct signing *s, struct err *e)
{
	int64_t age = age_ms(s);

	if (age < 0 || age > s->o.life_ms) {
		if (make(s, e) < 0)
			return -1;
	} else if (load(s, e) < 0 ||
		   tenant_signing_key_register(s->o.db, s->o.node, s->signers[0], e) < 0) {
		return -1;
	}
	s->n = 1;
	return tenant_signing_keys_prune(s->o.db, e) < 0 ? -1 : 0;
}

/* --- later ------------------------------------------------------------------------------------ */

static void
renew(void *arg)
{
	struct signing *s = arg;
	struct err e = { 0 };

	if (make(s, &e) < 0) {
		log_err(&s->o.log, LOG_LEVEL_ERROR, &e, "make a new key for tokens");
		return;
	}
	tenants_sign_with(s->o.tenants, s->signers[s->n++]);
	if (tenant_signing_keys_prune(s->o.db, &e) < 0)
		log_err(&s->o.log, LOG_LEVEL_WARN, &e, "forget old keys of tokens");
}

static void
on_look(void *arg)
{
	struct signing *s = arg;
	struct err e = { 0 };

	if (s->n < SIGNERS_MAX && age_ms(s) > s->o.life_ms &&
	    work_push(s->o.work, renew, s, &e) < 0)
		log_err(&s->o.log, LOG_LEVEL_WARN, &e, "a new key for tokens waits an hour");
}

int
signing_open(const struct signing_options *o, struct signing **ret, struct err *e)
{
	struct signing *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory for the key of tokens");
	s->o = *o;
	if (open_first(s, e) < 0) {
		signing_close(s);
		return -1;
	}
	*ret = s;
	return 0;
}

const struct jwt_signer *
signing_current(const struct signing *s)
{
	return s->signers[s->n - 1];
}

int
signing_watch(
    struct signing *s, struct loop *loop, struct work *work, struct tenants *tenants, struct err *e)
{
	s->o.work = work;
	s->o.tenants = tenants;
	if (loop_timer_new(loop, on_look, s, &s->timer, e) < 0)
		return -1;
	loop_timer_start(s->timer, LOOK_MS, LOOK_MS);
	return 0;
}

void
signing_unwatch(struct signing *s)
{
	if (s == NULL)
		return;
	loop_timer_free(s->timer);
	s->timer = NULL;
}

void
signing_close(struct signing *s)
{
	if (s == NULL)
		return;
	signing_unwatch(s);
	for (size_t i = 0; i < ARRAY_LEN(s->signers); i++)
		jwt_signer_free(s->signers[i]);
	free(s);
}
