/* SPDX-License-Identifier: Apache-2.0 */
#include "db_internal.h"

#include "auth.h"

#include <string.h>

enum { ARENA_BYTES = 64 << 10 };

const struct db_role_login db_role_logins[DB_ROLE_LOGINS] = {
	{ DB_ROLE_API, "wardian_api", "wardiand-api" },
	{ DB_ROLE_SCHED, "wardian_sched", "wardiand-sched" },
	{ DB_ROLE_PLATFORM, "wardian_platform", "wardiand-platform" },
};

static const struct db_role_login *
login_of(enum db_role role)
{
	size_t i = 0;

	while (i < DB_ROLE_LOGINS - 1 && db_role_logins[i].role != role)
		i++;
	REQUIRE(db_role_logins[i].role == role);
	return &db_role_logins[i];
}

const char *
db_role_name(enum db_role role)
{
	return login_of(role)->name;
}

const char *
db_login_value(const struct db_login *l, const char *keyword)
{
	for (int i = 0; i < l->n; i++) {
		if (strcmp(l->keywords[i], keyword) == 0)
			return l->values[i];
	}
	return NULL;
}

/* Replaces or adds; value NULL is what arena functions return when there is no memory. */
static int
set(struct db_login *l, const char *keyword, const char *value, struct err *e)
{
	int i = 0;

	if (value == NULL)
		return err_set(e, ERR_CONF, "the database URL is too long");
	while (i < l->n && strcmp(l->keywords[i], keyword) != 0)
		i++;
	if (i == DB_LOGIN_MAX)
		return err_set(e, ERR_CONF, "the database URL has too many parameters");
	l->keywords[i] = keyword;
	l->values[i] = value;
	l->n += i == l->n;
	return 0;
}

static int
copy_parameters(struct db_login *l, const PQconninfoOption *o, struct err *e)
{
	for (; o->keyword != NULL; o++) {
		const char *keyword;

		if (o->val == NULL || o->val[0] == '\0')
			continue;
		keyword = arena_strdup(l->mem, o->keyword);
		if (keyword == NULL || set(l, keyword, arena_strdup(l->mem, o->val), e) < 0)
			return err_set(e, ERR_CONF, "the database URL is too long");
	}
	return 0;
}

/*
 * Session settings.  The server gives up a statement before the client's deadline does, so that a
 * late statement costs an error and not the connection; a lock earlier still, so that the error can
 * name it.  A transaction left open by a frozen daemon must not hold its locks for ever, nor must a
 * statement whose client is gone.  The tcp_ settings do nothing on a Unix socket.
 */
static const char *
session_options(struct db_login *l, int64_t timeout_ms)
{
	const char *given = db_login_value(l, "options");
	int64_t statement_ms = timeout_ms * 9 / 10, lock_ms = timeout_ms * 3 / 4,
		idle_ms = timeout_ms * 2;

	return arena_printf(l->mem,
	    "%s%s-c search_path=wardian -c timezone=UTC -c statement_timeout=%lld -c "
	    "lock_timeout=%lld"
	    " -c idle_in_transaction_session_timeout=%lld -c client_connection_check_interval=2000"
	    " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"
	    " -c default_transaction_isolation=read\\ committed -c client_min_messages=warning"
	    /* Statements here touch few rows; compiling or starting workers costs more than it
	       saves. */
	    " -c jit=off -c max_parallel_workers_per_gather=0",
	    given == NULL ? "" : given, given == NULL ? "" : " ", (long long)statement_ms,
	    (long long)lock_ms, (long long)idle_ms);
}

static int
set_unless_given(struct db_login *l, const char *keyword, const char *value, struct err *e)
{
	return db_login_value(l, keyword) != NULL ? 0 : set(l, keyword, value, e);
}

static int
parse(struct db_login *l, const char *url, int64_t timeout_ms, struct err *e)
{
	PQconninfoOption *o = PQconninfoParse(url, NULL);
	int rc;

	/* libpq's text would quote the URL, and with it the password. */
	if (o == NULL)
		return err_set(e, ERR_CONF,
		    "the database URL is not a libpq connection string; "
		    "write it as postgresql://role@host/database");
	rc = copy_parameters(l, o, e);
	PQconninfoFree(o);
	if (rc < 0)
		return -1;
	if (set(l, "options", session_options(l, timeout_ms), e) < 0 ||
	    set(l, "client_encoding", "UTF8", e) < 0 ||
	    set_unless_given(l, "keepalives_idle", "10", e) < 0 ||
	    set_unless_given(l, "keepalives_interval", "3", e) < 0 ||
	    set_unless_given(l, "keepalives_count", "3", e) < 0 ||
	    set_unless_given(l, "tcp_user_timeout", "15000", e) < 0)
		return -1;
	return 0;
}

int
db_login_parse(struct db_login *l, const char *url, int64_t timeout_ms, struct err *e)
{
	*l = (struct db_login){ .mem = arena_new(ARENA_BYTES) };
	if (l->mem == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for the database URL");
	if (parse(l, url, timeout_ms, e) == 0 &&
	    set(l, "application_name", "wardiand-owner", e) == 0)
		return 0;
	db_login_done(l);
	return -1;
}

bool
db_login_password(
    const struct db_login *owner, enum db_role role, char out[static DB_PASSWORD_SIZE])
{
	const char *key = db_login_value(owner, "password"), *name = db_role_name(role);
	uint8_t mac[AUTH_SHA256_SIZE];

	if (key == NULL)
		return false;
	auth_hmac(key, strlen(key), name, strlen(name), mac);
	auth_hex(mac, sizeof(mac), out);
	auth_wipe(mac, sizeof(mac));
	return true;
}

int
db_login_as(
    struct db_login *l, const char *url, enum db_role role, int64_t timeout_ms, struct err *e)
{
	char password[DB_PASSWORD_SIZE];
	int rc = 0;

	if (db_login_parse(l, url, timeout_ms, e) < 0)
		return -1;
	if (db_login_password(l, role, password)) {
		rc = set(l, "password", arena_strdup(l->mem, password), e);
		auth_wipe(password, sizeof(password));
	}
	if (rc == 0 && set(l, "user", db_role_name(role), e) == 0 &&
	    set(l, "application_name", login_of(role)->application, e) == 0)
		return 0;
	db_login_done(l);
	return -1;
}

void
db_login_done(struct db_login *l)
{
	arena_free(l->mem);
	*l = (struct db_login){ 0 };
}
