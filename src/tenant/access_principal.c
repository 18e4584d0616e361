/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant_internal.h"

const char *
principal_kind_name(enum principal_kind k)
{
	static const char *const names[] = { [PRINCIPAL_KEY] = "api_key",
		[PRINCIPAL_TOKEN] = "token",
		[PRINCIPAL_ISSUER] = "issuer",
		[PRINCIPAL_SUPPORT] = "support" };

	REQUIRE(k < ARRAY_LEN(names));
	return names[k];
}

/* The id that stands for a principal, and the prefix of its type. */
static struct uuid
id_of(const struct principal *p, const char **ret_prefix)
{
	const struct {
		const char *prefix;
		struct uuid id;
	} ids[] = { { "key", p->key }, { "usr", p->user }, { "iss", p->issuer } };

	for (size_t i = 0; i < ARRAY_LEN(ids) && p->kind != PRINCIPAL_SUPPORT; i++) {
		if (!uuid_is_nil(ids[i].id)) {
			*ret_prefix = ids[i].prefix;
			return ids[i].id;
		}
	}
	*ret_prefix = "sup";
	return p->support;
}

struct uuid
principal_id(const struct principal *p)
{
	const char *prefix;

	return id_of(p, &prefix);
}

const char *
principal_format(const struct principal *p, char out[static ID_STR_SIZE])
{
	const char *prefix;
	struct uuid id = id_of(p, &prefix);

	return id_format(prefix, id, out);
}

void
principal_set_name(struct principal *p, const char *text)
{
	tenant_text_clean(p->name, sizeof(p->name), text);
}

/* --- what it may do --------------------------------------------------------------------------- */

static permission_set
bit(enum permission perm)
{
	REQUIRE(perm <= PERM_NONE);
	return perm == PERM_NONE ? 0 : PERM_BIT(perm);
}

bool
principal_may(const struct principal *p, enum permission perm)
{
	return (bit(perm) & ~p->grants.everywhere) == 0;
}

bool
principal_may_in(const struct principal *p, enum permission perm, struct uuid project)
{
	return (bit(perm) & ~grants_in(&p->grants, project)) == 0;
}

bool
principal_may_somewhere(const struct principal *p, enum permission perm)
{
	return (bit(perm) & ~grants_anywhere(&p->grants)) == 0;
}

void
principal_scope(const struct principal *p, enum permission perm, struct scope *ret)
{
	permission_set wanted = bit(perm);

	*ret = (struct scope){ .everywhere = principal_may(p, perm) };
	for (size_t i = 0; i < p->grants.n && !ret->everywhere; i++) {
		if ((p->grants.in[i].set & wanted) != 0)
			ret->projects[ret->n++] = p->grants.in[i].project;
	}
}

bool
scope_has(const struct scope *s, struct uuid project)
{
	bool found = s->everywhere;

	for (size_t i = 0; i < s->n && !found; i++)
		found = uuid_cmp(s->projects[i], project) == 0;
	return found;
}
