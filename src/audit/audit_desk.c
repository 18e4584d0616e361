/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_internal.h"

#include "auth.h"
#include "base64.h"
#include "clock.h"

#include <string.h>

int
audit_desk_new(const struct audit_desk_options *o, struct audit_desk **ret, struct err *e)
{
	struct audit_desk *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for the audit log's readers");
	REQUIRE(o->exports >= 1);
	REQUIRE(o->exports <= AUDIT_EXPORTS_MAX);
	d->o = *o;
	lock_init(&d->lock);
	*ret = d;
	return 0;
}

void
audit_desk_stop(struct audit_desk *d)
{
	atomic_store(&d->stopping, true);
}

void
audit_desk_free(struct audit_desk *d)
{
	if (d == NULL)
		return;
	lock_done(&d->lock);
	free(d);
}

int
audit_desk_goes_on(const struct audit_desk *d, struct err *e)
{
	if (atomic_load(&d->stopping))
		return err_set(
		    e, ERR_STOPPING, "The server is shutting down; try again in a moment.");
	return 0;
}

/* --- turns ------------------------------------------------------------------------------------ */

int
audit_slot_take(struct audit_desk *d, struct audit_slot *slots, int n, struct tenant_id tenant,
    const char *what, struct audit_slot **ret, struct err *e)
{
	struct audit_slot *free_one = NULL;
	bool running = false;

	lock_take(&d->lock);
	for (int i = 0; i < n; i++)
		if (!slots[i].used)
			free_one = &slots[i];
		else if (uuid_cmp(slots[i].tenant.uuid, tenant.uuid) == 0)
			running = true;
	if (!running && free_one != NULL) {
		*free_one = (struct audit_slot){ .desk = d, .tenant = tenant, .used = true };
		*ret = free_one;
	}
	lock_give(&d->lock);
	if (running)
		return err_set(e, ERR_RATE,
		    "Another %s of this audit log is under way; wait until it has ended.", what);
	if (free_one == NULL)
		return err_set(e, ERR_BUSY,
		    "Too many %ss of audit logs are under way; try again later.", what);
	return 0;
}

void
audit_slot_give(struct audit_slot *s)
{
	struct audit_desk *d = s->desk;

	lock_take(&d->lock);
	s->used = false;
	lock_give(&d->lock);
}

void
audit_export_done(void *slot)
{
	audit_slot_give(slot);
}

/* --- recorded reads --------------------------------------------------------------------------- */

static bool
was_recorded(struct audit_desk *d, const uint8_t *digest)
{
	const struct audit_read *r = &d->reads[(digest[0] | digest[1] << 8) % AUDIT_READS];
	bool known;

	lock_take(&d->lock);
	known = r->mono_ms != 0 && clock_mono_ms() - r->mono_ms < AUDIT_READ_AGAIN_MS &&
		memcmp(r->digest, digest, sizeof(r->digest)) == 0;
	lock_give(&d->lock);
	return known;
}

static void
remember(struct audit_desk *d, const uint8_t *digest)
{
	struct audit_read *r = &d->reads[(digest[0] | digest[1] << 8) % AUDIT_READS];

	lock_take(&d->lock);
	memcpy(r->digest, digest, sizeof(r->digest));
	r->mono_ms = clock_mono_ms();
	lock_give(&d->lock);
}

/* Two at once may both be recorded, which is better than none. */
int
audit_record_read(struct audit_desk *d, struct tenant_id tenant, const struct caller *by,
    const char *view, const char *filter, struct arena *mem, struct err *e)
{
	char *changes = arena_printf(mem, "{\"view\":\"%s\",\"filter\":%s}", view, filter);
	struct audit_note note = { .by = by, .action = "audit.read", .changes = changes };
	uint8_t digest[AUTH_SHA256_SIZE];
	char tenant_id[UUID_STR_SIZE], actor[ID_STR_SIZE], *key = NULL;

	/* The name tells subjects of an issuer apart. */
	if (changes != NULL)
		key = arena_printf(mem, "%s %s %s %s", uuid_format(tenant.uuid, tenant_id),
		    principal_format(by->who, actor), by->who->name, changes);
	if (key == NULL)
		return arena_err(e);
	auth_sha256(key, strlen(key), digest);
	if (was_recorded(d, digest))
		return 0;
	if (audit_record(d->o.db, tenant, &note, mem, e) < 0)
		return -1;
	remember(d, digest);
	return 0;
}

/* --- keys ------------------------------------------------------------------------------------- */

void
audit_keys_print(const struct audit_desk *d, struct json_out *o)
{
	char kid[2 * sizeof(d->o.key) + 1], x[BASE64_TEXT_SIZE(sizeof(d->o.key))];

	auth_hex(d->o.key, sizeof(d->o.key), kid);
	(void)base64_encode(BASE64_URL, d->o.key, sizeof(d->o.key), x); /* its length is known */
	json_out_begin(o);
	json_out_key(o, "keys");
	json_out_begin_array(o);
	json_out_begin(o);
	json_put_text(o, "kid", kid);
	json_put_text(o, "kty", "OKP");
	json_put_text(o, "crv", "Ed25519");
	json_put_text(o, "alg", "EdDSA");
	json_put_text(o, "use", "sig");
	json_put_text(o, "x", x);
	json_out_end(o);
	json_out_end_array(o);
	json_out_end(o);
}
