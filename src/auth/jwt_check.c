/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt_internal.h"

#include "json.h"

#include <string.h>

int
jwt_verify(
    const struct jwt_token *t, const struct jws_keys *keys, const char **ret_why, struct err *e)
{
	const struct jws_key *key = jws_keys_find(keys, t->kid);
	const struct jws_bytes text = { t->text, t->signed_n }, sig = { t->sig, t->sig_n };
	int rc;

	if (key == NULL)
		return jwt_refuse("kid", ret_why, e);
	if (key->alg != t->alg)
		return jwt_refuse("alg", ret_why, e);
	rc = jws_key_verify(key, &text, &sig, e);
	return rc > 0 ? jwt_refuse("signature", ret_why, e) : rc;
}

/* --- claims --------------------------------------------------------------------------------- */

/* The last second of the year 9999.  Times in between cannot overflow when they are subtracted. */
#define TIME_MAX_S INT64_C(253402300799)

enum presence { ABSENT, PRESENT, UNUSABLE };

/* A NumericDate may have a fraction (RFC 7519 section 2); no issuer uses that, so we do not, too.
 */
static enum presence
time_of(const struct jwt_token *t, const char *name, int64_t *ret)
{
	const struct json_value *v = json_member(json_root(t->payload), name);
	int64_t time;

	if (v == NULL)
		return ABSENT;
	if (!json_get_i64(v, &time) || time < 0 || time > TIME_MAX_S)
		return UNUSABLE;
	*ret = time;
	return PRESENT;
}

/* RFC 7515 section 4.1.9: "application/" may be left out when no other slash follows. */
static const char *
short_type(const char *type)
{
	static const char prefix[] = "application/";
	size_t n = sizeof(prefix) - 1;

	return strncasecmp(type, prefix, n) == 0 && strchr(type + n, '/') == NULL ? type + n : type;
}

static bool
type_accepted(const char *type, const char *const *accepted)
{
	for (size_t i = 0; accepted[i] != NULL; i++)
		if (strcasecmp(short_type(type), short_type(accepted[i])) == 0)
			return true;
	return false;
}

/* NULL, or why the token is not for now. */
static const char *
check_times(const struct jwt_token *t, const struct jwt_rules *r)
{
	int64_t expires_s = 0, not_before_s = 0, issued_s = r->now_s;
	enum presence issued = time_of(t, "iat", &issued_s);

	if (time_of(t, "exp", &expires_s) != PRESENT)
		return "expires";
	if (expires_s <= r->now_s - r->leeway_s)
		return "expired";
	if (time_of(t, "nbf", &not_before_s) == UNUSABLE || not_before_s > r->now_s + r->leeway_s)
		return "not-before";
	if (issued == UNUSABLE || issued_s > r->now_s + r->leeway_s)
		return "issued-at";
	if (expires_s - issued_s > r->lifetime_max_s ||
	    (issued == PRESENT && expires_s <= issued_s))
		return "lifetime";
	return NULL;
}

int
jwt_check_claims(
    const struct jwt_token *t, const struct jwt_rules *r, const char **ret_why, struct err *e)
{
	size_t subject_n = strlen(t->subject);
	const char *why;

	if (!type_accepted(t->type, r->types))
		return jwt_refuse("typ", ret_why, e);
	if (t->issuer[0] == '\0' || strcmp(t->issuer, r->issuer) != 0)
		return jwt_refuse("issuer", ret_why, e);
	if (!jwt_has_audience(t, r->audience))
		return jwt_refuse("audience", ret_why, e);
	if (subject_n == 0 || subject_n > JWT_SUBJECT_MAX)
		return jwt_refuse("subject", ret_why, e);
	why = check_times(t, r);
	return why == NULL ? 0 : jwt_refuse(why, ret_why, e);
}
