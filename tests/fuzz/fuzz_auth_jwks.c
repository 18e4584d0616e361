/* SPDX-License-Identifier: Apache-2.0 */
/* JWK Sets from a tenant: what is taken prints to a document that reads back to the same set. */
#include "json.h"
#include "jws.h"

#include <string.h>

static void
print(const struct jws_keys *keys, struct buf *b)
{
	struct json_out o;

	buf_init(b, JWS_DOCUMENT_MAX);
	json_out_init(&o, b);
	jws_keys_print(keys, &o);
	REQUIRE(!b->failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(jws_keys) keys = NULL;
	AUTO(jws_keys) again = NULL;
	AUTO_BUF first = { 0 };
	AUTO_BUF second = { 0 };
	struct err e = { 0 };

	if (jws_keys_parse_text((const char *)data, size, &keys, &e) < 0) {
		REQUIRE(keys == NULL);
		REQUIRE(e.code == ERR_BAD_JSON || (e.code == ERR_INVALID && e.n_fields > 0));
		return 0;
	}
	REQUIRE(jws_keys_count(keys) > 0);
	REQUIRE(jws_keys_count(keys) <= JWS_KEYS_MAX);
	for (size_t i = 0; i < jws_keys_count(keys); i++)
		REQUIRE(jws_kid_valid(jws_keys_kid(keys, i)));
	print(keys, &first);
	REQUIRE(jws_keys_parse_text(first.p, first.n, &again, &e) == 0);
	print(again, &second);
	REQUIRE(strcmp(first.p, second.p) == 0);
	return 0;
}
