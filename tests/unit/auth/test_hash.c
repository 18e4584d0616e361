/* SPDX-License-Identifier: Apache-2.0 */
/* Known answers: FIPS 180 examples for SHA-256, RFC 4231 for HMAC. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth.h"

#include <string.h>

static void
assert_hex(const uint8_t *p, const char *want)
{
	char text[2 * AUTH_SHA256_SIZE + 1];

	auth_hex(p, AUTH_SHA256_SIZE, text);
	assert_string_equal(text, want);
}

struct sha_case {
	const char *text;
	const char *digest;
};
static const struct sha_case sha_cases[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void
sha256_gives_the_known_answers(void **state)
{
	uint8_t out[AUTH_SHA256_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sha_cases); i++) {
		auth_sha256(sha_cases[i].text, strlen(sha_cases[i].text), out);
		assert_hex(out, sha_cases[i].digest);
	}
	auth_sha256(NULL, 0, out);
	assert_hex(out, sha_cases[0].digest);
}

static void
a_million_letters_in_uneven_pieces_give_the_known_answer(void **state)
{
	AUTO(auth_digest) d = NULL;
	uint8_t out[AUTH_SHA256_SIZE];
	struct err e = { 0 };
	char piece[977];
	size_t left = 1000000;

	(void)state;
	memset(piece, 'a', sizeof(piece));
	assert_int_equal(auth_digest_new(&d, &e), 0);
	while (left > 0) {
		size_t n = left < sizeof(piece) ? left : sizeof(piece);

		auth_digest_add(d, piece, n);
		left -= n;
	}
	auth_digest_end(d, out);
	assert_hex(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

struct hmac_case {
	const char *key;
	size_t key_n; /* 0: its length */
	const char *text;
	const char *tag;
};
static char long_key[131], aa_key[20], dd_text[51], cd_text[51], counting_key[26];
static const struct hmac_case hmac_cases[] = {
	{ "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", 0,
	    "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ "Jefe", 0, "what do ya want for nothing?",
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ aa_key, sizeof(aa_key), dd_text,
	    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
	{ counting_key, 25, cd_text,
	    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
	{ long_key, sizeof(long_key), "Test Using Larger Than Block-Size Key - Hash Key First",
	    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	{ long_key, sizeof(long_key),
	    "This is a test using a larger than block-size key and a larger than block-size data. "
	    "The key needs to be hashed before being used by the HMAC algorithm.",
	    "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
};

static void
hmac_gives_the_known_answers(void **state)
{
	uint8_t out[AUTH_SHA256_SIZE];

	(void)state;
	memset(long_key, 0xaa, sizeof(long_key));
	memset(aa_key, 0xaa, sizeof(aa_key));
	memset(dd_text, 0xdd, sizeof(dd_text) - 1);
	memset(cd_text, 0xcd, sizeof(cd_text) - 1);
	for (size_t i = 0; i < 25; i++)
		counting_key[i] = (char)(i + 1);
	for (size_t i = 0; i < ARRAY_LEN(hmac_cases); i++) {
		const struct hmac_case *c = &hmac_cases[i];
		size_t key_n = c->key_n > 0 ? c->key_n : strlen(c->key);

		auth_hmac(c->key, key_n, c->text, strlen(c->text), out);
		assert_hex(out, c->tag);
	}
}

static void
hmac_takes_an_empty_key(void **state)
{
	uint8_t out[AUTH_SHA256_SIZE];

	(void)state;
	auth_hmac("", 0, "", 0, out);
	assert_hex(out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void
equality_looks_at_every_byte(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	assert_true(auth_equal(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] ^= 1;
		assert_false(auth_equal(a, b, sizeof(a)));
		b[i] ^= 1;
	}
	assert_true(auth_equal(a, b, 0));
}

static void
a_wiped_secret_is_gone(void **state)
{
	static const char zeros[16];
	char secret[16] = "0123456789abcde";

	(void)state;
	auth_wipe(secret, sizeof(secret));
	assert_memory_equal(secret, zeros, sizeof(secret));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_gives_the_known_answers),
		cmocka_unit_test(a_million_letters_in_uneven_pieces_give_the_known_answer),
		cmocka_unit_test(hmac_gives_the_known_answers),
		cmocka_unit_test(hmac_takes_an_empty_key),
		cmocka_unit_test(equality_looks_at_every_byte),
		cmocka_unit_test(a_wiped_secret_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
