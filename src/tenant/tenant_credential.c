/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant_internal.h"

#include <string.h>

/* Value of a base64 digit (RFC 4648 section 4), -1 for anything else. */
static int
digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Canonical base64 only: padding to a multiple of four, no stray bits.  Bytes, or -1. */
static int
decode(const char *text, size_t n, char *out, size_t size)
{
	size_t pad = 0, bytes = n / 4 * 3, at = 0;
	uint32_t bits = 0;

	if (n == 0 || n % 4 != 0 || bytes > size)
		return -1;
	while (pad < 2 && text[n - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < n; i++) {
		int d = i < n - pad ? digit(text[i]) : 0;

		if (d < 0)
			return -1;
		bits = bits << 6 | (uint32_t)d;
		if (i % 4 != 3)
			continue;
		out[at++] = (char)(bits >> 16 & 0xff);
		out[at++] = (char)(bits >> 8 & 0xff);
		out[at++] = (char)(bits & 0xff);
	}
	for (size_t i = 0; i < pad; i++) {
		if (at == 0 || out[--at] != '\0')
			return -1;
	}
	return (int)at;
}

static bool
copy(const char *p, size_t n, char out[static AUTH_KEY_SIZE])
{
	if (n == 0 || n >= AUTH_KEY_SIZE || memchr(p, '\0', n) != NULL)
		return false;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

bool
tenant_credential_read(const char *authorization, char out[static AUTH_KEY_SIZE])
{
	size_t scheme = strcspn(authorization, " ");
	const char *value = authorization + scheme + strspn(authorization + scheme, " ");
	size_t n = strlen(value);
	char user[AUTH_KEY_SIZE + 3];
	bool ok = false;
	int bytes;

	if (scheme == 6 && strncasecmp(authorization, "Bearer", scheme) == 0)
		return copy(value, n, out);
	if (scheme != 5 || strncasecmp(authorization, "Basic", scheme) != 0)
		return false;
	bytes = decode(value, n, user, sizeof(user));
	if (bytes > 1 && user[bytes - 1] == ':')
		ok = copy(user, (size_t)bytes - 1, out);
	auth_wipe(user, sizeof(user));
	return ok;
}
