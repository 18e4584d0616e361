/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant_internal.h"

#include "base64.h"

#include <string.h>

/* Of a key only; n is what stands before the end of the header or before the colon. */
static bool
read_key(const char *p, size_t n, struct tenant_text *ret)
{
	char text[AUTH_KEY_SIZE];
	struct err bad = { 0 };
	bool ok;

	if (n == 0 || n >= sizeof(text) || memchr(p, '\0', n) != NULL)
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	ok = auth_key_read(text, &ret->key, &bad) == 0;
	auth_wipe(text, sizeof(text));
	ret->token = false;
	if (ok)
		memcpy(ret->digest, ret->key.hash, sizeof(ret->digest));
	return ok;
}

static bool
read_bearer(const char *p, struct tenant_text *ret)
{
	size_t n = strlen(p), dots = 0;

	for (const char *at = p; n <= JWT_TEXT_MAX && (at = strchr(at, '.')) != NULL; at++)
		dots++;
	if (dots != 2)
		return read_key(p, n, ret);
	ret->token = true;
	ret->p = p;
	ret->n = n;
	auth_sha256(p, n, ret->digest);
	return true;
}

bool
tenant_credential_read(const char *authorization, struct tenant_text *ret)
{
	size_t scheme = strcspn(authorization, " ");
	const char *value = authorization + scheme + strspn(authorization + scheme, " ");
	char user[AUTH_KEY_SIZE + 1];
	size_t bytes;
	bool ok = false;

	if (scheme == 6 && strncasecmp(authorization, "Bearer", scheme) == 0)
		return read_bearer(value, ret);
	if (scheme != 5 || strncasecmp(authorization, "Basic", scheme) != 0)
		return false;
	if (base64_decode(BASE64_STANDARD, value, strlen(value), user, sizeof(user), &bytes) &&
	    bytes > 1 && user[bytes - 1] == ':')
		ok = read_key(user, bytes - 1, ret);
	auth_wipe(user, sizeof(user));
	return ok;
}
