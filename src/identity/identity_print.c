/* SPDX-License-Identifier: Apache-2.0 */
/* Identities as the API shows them. */
#include "identity_issuer.h"
#include "identity_key_internal.h"
#include "identity_role.h"

static void
put_id(struct json_out *o, const char *member, const char *prefix, struct uuid id)
{
	char text[ID_STR_SIZE];

	json_put_text(o, member, uuid_is_nil(id) ? NULL : id_format(prefix, id, text));
}

/* "<what>": whether, "<what>_at": since when. */
static void
put_since(struct json_out *o, const char *what, const char *what_at, int64_t wall_us)
{
	json_put_bool(o, what, wall_us != 0);
	json_put_time(o, what_at, wall_us);
}

static void
put_ref(struct json_out *o, const struct identity_role_ref *r)
{
	json_put_text(o, "role", r->role);
	put_id(o, "project", "prj", r->project);
}

void
identity_roles_print(const struct identity_roles *r, struct json_out *o)
{
	json_out_begin_array(o);
	for (size_t i = 0; i < r->n; i++) {
		json_out_begin(o);
		put_ref(o, &r->p[i]);
		json_out_end(o);
	}
	json_out_end_array(o);
}

static void
put_roles(struct json_out *o, const struct identity_roles *r)
{
	json_out_key(o, "roles");
	identity_roles_print(r, o);
}

void
identity_project_print(const struct identity_project *p, struct json_out *o)
{
	json_out_begin(o);
	put_id(o, "id", "prj", p->id);
	json_put_text(o, "name", p->name);
	json_put_text(o, "title", p->title);
	put_since(o, "archived", "archived_at", p->archived_wall_us);
	json_put_time(o, "created_at", p->created_wall_us);
	json_put_i64(o, "version", p->version);
	json_out_end(o);
}

void
identity_user_print(const struct identity_user *u, struct json_out *o)
{
	json_out_begin(o);
	put_id(o, "id", "usr", u->id);
	json_put_text(o, "kind", u->person ? "person" : "service");
	json_put_text(o, "name", u->name);
	json_put_text(o, "email", u->email);
	put_id(o, "issuer", "iss", u->issuer);
	json_put_text(o, "subject", u->subject);
	put_since(o, "disabled", "disabled_at", u->disabled_wall_us);
	put_roles(o, &u->roles);
	json_put_time(o, "created_at", u->created_wall_us);
	json_put_i64(o, "version", u->version);
	json_out_end(o);
}

void
identity_role_print(const struct identity_role *r, struct json_out *o)
{
	json_out_begin(o);
	put_id(o, "id", "rol", r->id);
	json_put_text(o, "name", r->name);
	json_put_text(o, "title", r->title);
	json_put_bool(o, "system", r->system);
	json_out_key(o, "permissions");
	permissions_print(r->permissions, o);
	json_put_time(o, "created_at", r->created_wall_us);
	json_put_i64(o, "version", r->version);
	json_out_end(o);
}

void
identity_assignment_print(const struct identity_assignment *x, struct json_out *o)
{
	json_out_begin(o);
	put_id(o, "id", "asg", x->id);
	put_id(o, "user", "usr", x->user);
	put_id(o, "key", "key", x->key);
	put_ref(o, &x->role);
	json_put_time(o, "created_at", x->created_wall_us);
	json_out_end(o);
}

void
key_cidrs_print(const struct identity_cidrs *cidrs, struct json_out *o)
{
	char text[NET_CIDR_SIZE];

	if (!cidrs->limited) {
		json_out_null(o);
		return;
	}
	json_out_begin_array(o);
	for (size_t i = 0; i < cidrs->list.n; i++)
		json_out_text(o, net_cidr_format(&cidrs->list.at[i], text));
	json_out_end_array(o);
}

static void
put_limits(struct json_out *o, const struct identity_key *k)
{
	json_out_key(o, "scopes");
	if (k->scopes.limited)
		permissions_print(k->scopes.set, o);
	else
		json_out_null(o);
	json_out_key(o, "cidrs");
	key_cidrs_print(&k->cidrs, o);
}

void
identity_key_print(const struct identity_key *k, const char *text, struct json_out *o)
{
	json_out_begin(o);
	put_id(o, "id", "key", k->id);
	json_put_text(o, "public_id", k->public_id);
	json_put_text(o, "kind", k->kind);
	json_put_text(o, "name", k->name);
	put_id(o, "user", "usr", k->user);
	put_limits(o, k);
	put_roles(o, &k->roles);
	json_put_text(o, "last4", k->last4);
	json_put_time(o, "created_at", k->created_wall_us);
	json_put_time(o, "expires_at", k->expires_wall_us);
	json_put_time(o, "last_used_at", k->last_used_wall_us);
	json_put_text(o, "last_used_from", k->last_used_from);
	json_put_time(o, "previous_until", k->previous_until_us);
	put_since(o, "revoked", "revoked_at", k->revoked_wall_us);
	json_put_text(o, "revoked_by", k->revoked_by);
	json_put_i64(o, "version", k->version);
	if (text != NULL)
		json_put_text(o, "key", text);
	json_out_end(o);
}

void
identity_issuer_print(const struct identity_issuer *i, struct json_out *o)
{
	json_out_begin(o);
	put_id(o, "id", "iss", i->id);
	json_put_text(o, "name", i->name);
	json_put_text(o, "url", i->url);
	json_put_text(o, "audience", i->audience);
	json_put_text(o, "tenant_claim", i->tenant_claim);
	json_put_raw(o, "jwks", i->jwks);
	json_put_raw(o, "rules", i->rules);
	json_put_bool(o, "disabled", i->disabled_wall_us != 0);
	json_put_time(o, "created_at", i->created_wall_us);
	json_put_i64(o, "version", i->version);
	json_out_end(o);
}
