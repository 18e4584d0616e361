/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permissions and system roles: tables made from permission.def.  What a role has is a string of
 * letters in the row of the permission, so that a new permission cannot forget a role.
 */
#include "access.h"

#include <string.h>

const struct tenant_id tenant_platform_id = {
	{ { 0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1 } }
};

struct permission_row {
	const char *name, *roles, *sentence;
	enum permission_level level;
};

static const struct permission_row permissions[PERM_COUNT] = {
#define PERMISSION(id, text, level_, roles_, sentence_)                                            \
	[PERM_##id] = { text, roles_, sentence_, PERM_LEVEL_##level_ },
#include "permission.def"
#undef PERMISSION
};
_Static_assert(PERM_COUNT < 64, "a permission_set is 64 bits, and PERM_NONE is none of them");

struct role_row {
	const char *name, *title;
	char letter; /* in permission.def */
};

static const struct role_row roles[ROLE_COUNT] = {
	[ROLE_OWNER] = { "owner", "May do everything in the tenant.", 'o' },
	[ROLE_ADMIN] = { "admin",
	    "Runs the tenant: all but its settings, its bills and its audit log.", 'a' },
	[ROLE_ENGINEER] = { "engineer", "Submits and cancels jobs, with API keys of one's own.",
	    'e' },
	[ROLE_VIEWER] = { "viewer", "Sees jobs, results and who has access.", 'v' },
	[ROLE_BILLING] = { "billing", "Sees usage, limits and costs.", 'b' },
	[ROLE_AUDITOR] = { "auditor", "Sees everything but costs, the audit log included.", 'u' },
	[ROLE_OPERATOR] = { "platform-operator", "Operates the installation and its tenants.",
	    'P' },
};

/* --- permissions ------------------------------------------------------------------------------ */

const char *
permission_name(enum permission p)
{
	REQUIRE(p < PERM_COUNT);
	return permissions[p].name;
}

const char *
permission_sentence(enum permission p)
{
	REQUIRE(p < PERM_COUNT);
	return permissions[p].sentence;
}

enum permission_level
permission_level(enum permission p)
{
	REQUIRE(p < PERM_COUNT);
	return permissions[p].level;
}

static bool
parse_n(const char *text, size_t n, enum permission *ret)
{
	for (size_t i = 0; i < PERM_COUNT; i++) {
		if (strlen(permissions[i].name) == n && memcmp(permissions[i].name, text, n) == 0) {
			*ret = (enum permission)i;
			return true;
		}
	}
	return false;
}

bool
permission_parse(const char *text, enum permission *ret)
{
	return parse_n(text, strlen(text), ret);
}

/* --- sets ------------------------------------------------------------------------------------- */

permission_set
permission_set_of_level(enum permission_level l)
{
	permission_set set = 0;

	for (size_t i = 0; i < PERM_COUNT; i++)
		set |= permissions[i].level == l ? PERM_BIT(i) : 0;
	return set;
}

permission_set
permission_set_parse(const char *names)
{
	permission_set set = 0;
	enum permission p;

	for (size_t n; *names != '\0'; names += n) {
		n = strspn(names, " ");
		names += n;
		n = strcspn(names, " ");
		if (parse_n(names, n, &p))
			set |= PERM_BIT(p);
	}
	return set;
}

const char *
permission_set_format(permission_set set, char out[static PERMISSION_SET_TEXT_SIZE])
{
	size_t at = 0;

	for (size_t i = 0; i < PERM_COUNT; i++) {
		size_t n = strlen(permissions[i].name);

		if ((set & PERM_BIT(i)) == 0)
			continue;
		REQUIRE(at + 1 + n < PERMISSION_SET_TEXT_SIZE);
		if (at > 0)
			out[at++] = ' ';
		memcpy(out + at, permissions[i].name, n);
		at += n;
	}
	out[at] = '\0';
	return out;
}

static bool
is_platform(struct tenant_id tenant)
{
	return uuid_cmp(tenant.uuid, tenant_platform_id.uuid) == 0;
}

permission_set
permission_set_in(struct tenant_id tenant)
{
	if (is_platform(tenant))
		return system_role_permissions(ROLE_OPERATOR);
	return permission_set_of_level(PERM_LEVEL_TENANT) |
	       permission_set_of_level(PERM_LEVEL_PROJECT);
}

permission_set
permission_set_of_support(void)
{
	static const enum permission lasting[] = { PERM_USER_CREATE, PERM_USER_UPDATE,
		PERM_USER_DELETE, PERM_ROLE_CREATE, PERM_ROLE_UPDATE, PERM_ROLE_DELETE,
		PERM_ROLE_ASSIGN, PERM_KEY_CREATE, PERM_KEY_UPDATE, PERM_TOKEN_CREATE,
		PERM_ISSUER_CREATE, PERM_ISSUER_UPDATE, PERM_ISSUER_DELETE, PERM_TENANT_UPDATE,
		PERM_SUPPORT_END };
	permission_set set = permission_set_of_level(PERM_LEVEL_PROJECT) |
			     permission_set_of_level(PERM_LEVEL_TENANT);

	for (size_t i = 0; i < ARRAY_LEN(lasting); i++)
		set &= ~PERM_BIT(lasting[i]);
	return set;
}

/* --- system roles ----------------------------------------------------------------------------- */

const char *
system_role_name(enum system_role r)
{
	REQUIRE(r < ROLE_COUNT);
	return roles[r].name;
}

const char *
system_role_title(enum system_role r)
{
	REQUIRE(r < ROLE_COUNT);
	return roles[r].title;
}

permission_set
system_role_permissions(enum system_role r)
{
	permission_set set = 0;

	REQUIRE(r < ROLE_COUNT);
	for (size_t i = 0; i < PERM_COUNT; i++)
		set |= strchr(permissions[i].roles, roles[r].letter) != NULL ? PERM_BIT(i) : 0;
	return set;
}

bool
system_role_parse(const char *name, enum system_role *ret)
{
	for (size_t i = 0; i < ROLE_COUNT; i++) {
		if (strcmp(roles[i].name, name) == 0) {
			*ret = (enum system_role)i;
			return true;
		}
	}
	return false;
}

bool
system_role_in(enum system_role r, struct tenant_id tenant)
{
	if (is_platform(tenant))
		return r == ROLE_OPERATOR || r == ROLE_AUDITOR;
	return r < ROLE_COUNT && r != ROLE_OPERATOR;
}
