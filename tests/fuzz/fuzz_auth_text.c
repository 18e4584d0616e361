/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and sealed tokens as they come from a client: what opens must be what was made. */
#include "auth.h"

#include <string.h>

static const uint8_t key[32] = "0123456789abcdef0123456789abcde";

static void
read_key(const char *text)
{
	struct auth_key k;
	struct err e = { 0 };

	if (auth_key_read(text, &k, &e) < 0) {
		REQUIRE(e.code == ERR_UNAUTHENTICATED);
		return;
	}
	REQUIRE(strlen(k.id) == AUTH_KEY_ID_LEN);
	REQUIRE(strstr(text, k.id) != NULL);
}

/* Whatever opens was sealed with this key, so sealing it again gives the same text. */
static void
open_token(const char *text)
{
	uint8_t out[AUTH_TOKEN_SIZE];
	char again[AUTH_TOKEN_SIZE];
	size_t n = sizeof(out);
	struct err e = { 0 };

	if (auth_token_open(key, "jobs", text, out, &n, &e) < 0) {
		REQUIRE(e.code == ERR_BAD_CURSOR);
		return;
	}
	REQUIRE(auth_token_seal(key, "jobs", out, n, again, &e) == 0);
	REQUIRE(strcmp(again, text) == 0);
}

/* Any payload that fits comes back. */
static void
seal_and_open(const uint8_t *data, size_t size)
{
	char text[AUTH_TOKEN_SIZE];
	uint8_t out[AUTH_TOKEN_SIZE];
	size_t n = sizeof(out);
	struct err e = { 0 };

	if (auth_token_seal(key, "fuzz", data, size, text, &e) < 0) {
		REQUIRE(e.code == ERR_TOO_LARGE);
		return;
	}
	REQUIRE(auth_token_open(key, "fuzz", text, out, &n, &e) == 0);
	REQUIRE(n == size);
	REQUIRE(memcmp(out, data, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	REQUIRE(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	read_key(text);
	open_token(text);
	if (size > 0)
		seal_and_open(data, size);
	free(text);
	return 0;
}
