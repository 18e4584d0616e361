/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log's parts in the daemon: the key and the thread of its checkpoints, its readers. */
#include "audit_log.h"
#include "audit_seal.h"
#include "auth.h"
#include "daemon_internal.h"
#include "fd.h"
#include "sign.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct audit_keep {
	struct sign_key *key;
	struct audit_seal *seal;
	struct audit_desk *desk;
	int dirfd;
	struct log log;
};

static int
open_parts(struct audit_keep *k, const struct audit_keep_options *o, struct err *e)
{
	struct audit_seal_options seal = { .db = o->db,
		.node = o->state->node,
		.interval_ms = o->conf->audit_checkpoint_interval_ms,
		.metrics = o->metrics,
		.log = k->log };
	struct audit_desk_options desk = { .db = o->db,
		.node = o->state->node,
		.export_max_bytes = o->conf->audit_export_max_bytes,
		.exports = (int)o->conf->audit_exports };

	if (sign_key_load(o->state->audit_seed, &k->key, e) < 0)
		return -1;
	auth_wipe(o->state->audit_seed, sizeof(o->state->audit_seed));
	k->dirfd =
	    openat(o->state->dirfd, "audit", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (k->dirfd < 0)
		return err_sys(e, errno, "open the directory audit of the state");
	seal.dirfd = desk.dirfd = k->dirfd;
	seal.key = k->key;
	memcpy(desk.key, sign_key_public(k->key), sizeof(desk.key));
	if (audit_desk_new(&desk, &k->desk, e) < 0)
		return -1;
	return audit_seal_start(&seal, &k->seal, e);
}

int
audit_keep_start(const struct audit_keep_options *o, struct audit_keep **ret, struct err *e)
{
	struct audit_keep *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for the audit log");
	k->dirfd = -1;
	k->log = log_component(o->log, "audit");
	if (open_parts(k, o, e) < 0) {
		audit_keep_stop(k);
		return -1;
	}
	*ret = k;
	return 0;
}

const struct sign_key *
audit_keep_key(const struct audit_keep *k)
{
	return k->key;
}

struct audit_desk *
audit_keep_desk(struct audit_keep *k)
{
	return k->desk;
}

const char *
audit_keep_ill(struct audit_keep *k)
{
	return audit_seal_ill(k->seal);
}

int
audit_keep_forget(void *keep, struct tenant_id tenant, struct err *e)
{
	struct audit_keep *k = keep;

	return audit_seal_forget(k->seal, tenant, e);
}

void
audit_keep_stop(struct audit_keep *k)
{
	if (k == NULL)
		return;
	audit_seal_stop(k->seal);
	audit_desk_free(k->desk);
	sign_key_free(k->key);
	fd_close(&k->dirfd);
	free(k);
}
