/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens with another signature, or in another form, than their issuer gave them. */
#include "jwt_rig.h"

#include "json.h"

#include <openssl/hmac.h>
#include <openssl/pem.h>

static struct rig rig;

#define HEAD "{\"typ\":\"at+jwt\",\"kid\":\"es256\",\"alg\":\"ES256\"}"
#define OF(kid, alg) "{\"typ\":\"at+jwt\",\"kid\":\"" kid "\",\"alg\":\"" alg "\"}"
#define EXP "\"exp\":1700003600"
#define WITH(claims) "{" RIG_CLAIMS "," claims "}"

/* --- signatures ----------------------------------------------------------------------------- */

/* The part that is signed, of the key's own algorithm. */
static size_t
start(enum rig_kid key, char *out)
{
	char head[128];
	int n = snprintf(head, sizeof(head), OF("%s", "%s"), rig.keys[key].kid, rig.keys[key].alg);

	return rig_join(head, (size_t)n, RIG_PAYLOAD, strlen(RIG_PAYLOAD), out);
}

/* A good token of the key in text; the length of what is signed. */
static size_t
good(enum rig_kid key, char *text, uint8_t sig[static RIG_SIG_MAX], size_t *ret_sig_n)
{
	size_t n = start(key, text);

	*ret_sig_n = rig_sign(rig.keys[key].pkey, rig_sign_of(rig.keys[key].alg), text, n, sig);
	return n;
}

static void
refused(const char *name, const char *want, const char *text, size_t n)
{
	const char *why = rig_why(rig.set, &rig_rules, text, n);

	if (strcmp(why, want) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", name, why, want);
}

static void
refused_signature(const char *name, char *text, size_t n, const uint8_t *sig, size_t sig_n)
{
	refused(name, "signature", text, rig_attach(text, n, sig, sig_n));
}

/* The halves of an ECDSA signature that no verifier may take (CVE-2022-21449 and its kin). */
static void
degenerate_ecdsa_signatures_are_refused(void **state)
{
	/* order of P-256 */
	static const uint8_t order[32] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3,
		0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
	static char text[RIG_TEXT_SIZE];
	uint8_t sig[RIG_SIG_MAX], real[RIG_SIG_MAX];
	size_t sig_n, n = good(RIG_ES256, text, real, &sig_n);

	(void)state;
	memset(sig, 0, sizeof(sig));
	refused_signature("r and s zero", text, n, sig, 64);
	memcpy(sig, real, 64);
	memset(sig, 0, 32);
	refused_signature("r zero", text, n, sig, 64);
	memcpy(sig, real, 64);
	memset(sig + 32, 0, 32);
	refused_signature("s zero", text, n, sig, 64);
	memcpy(sig, real, 64);
	memcpy(sig, order, 32);
	refused_signature("r the order", text, n, sig, 64);
	memcpy(sig, real, 64);
	memcpy(sig + 32, order, 32);
	refused_signature("s the order", text, n, sig, 64);
	memset(sig, 0xff, 64);
	refused_signature("r and s above the order", text, n, sig, 64);
	memset(sig, 0, 64);
	sig[31] = sig[63] = 1;
	refused_signature("r and s one", text, n, sig, 64);
	memcpy(sig, real + 32, 32);
	memcpy(sig + 32, real, 32);
	refused_signature("halves swapped", text, n, sig, 64);
}

static void
an_ecdsa_signature_in_der_form_is_refused(void **state)
{
	static char text[RIG_TEXT_SIZE];
	uint8_t sig[RIG_SIG_MAX];

	(void)state;
	for (enum rig_kid key = RIG_ES256; key <= RIG_ES384; key++) {
		size_t n = start(key, text);
		struct rig_sign how = rig_sign_of(rig.keys[key].alg);

		how.der = true;
		refused_signature(
		    "DER", text, n, sig, rig_sign(rig.keys[key].pkey, how, text, n, sig));
	}
}

static void
a_salt_of_another_length_is_refused(void **state)
{
	static const int salts[] = { 0, 20, 31, 33, RSA_PSS_SALTLEN_MAX };
	static char text[RIG_TEXT_SIZE];
	uint8_t sig[RIG_SIG_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(salts); i++) {
		struct rig_sign how = rig_sign_of("PS256");
		size_t n = start(RIG_PS256, text);

		how.salt = salts[i];
		refused_signature(
		    "salt", text, n, sig, rig_sign(rig.keys[RIG_PS256].pkey, how, text, n, sig));
	}
}

/* S + L verifies the same equation (RFC 8032 section 5.1.7 forbids it). */
static void
an_ed25519_signature_with_the_order_added_is_refused(void **state)
{
	static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
		0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
	static char text[RIG_TEXT_SIZE];
	uint8_t sig[RIG_SIG_MAX];
	size_t sig_n, n = good(RIG_EDDSA, text, sig, &sig_n);
	unsigned carry = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(order); i++) {
		carry += (unsigned)sig[32 + i] + order[i];
		sig[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_int_equal(carry, 0);
	refused_signature("S + L", text, n, sig, sig_n);
}

static void
no_changed_cut_or_longer_signature_is_taken(void **state)
{
	static char text[RIG_TEXT_SIZE];
	uint8_t sig[RIG_SIG_MAX + 1], changed[RIG_SIG_MAX + 1];
	size_t sig_n;

	(void)state;
	for (enum rig_kid key = 0; key < RIG_KEYS; key++) {
		size_t n = good(key, text, sig, &sig_n);

		assert_string_equal(
		    rig_why(rig.set, &rig_rules, text, rig_attach(text, n, sig, sig_n)), "");
		for (size_t at = 0; at < sig_n; at += sig_n / 16) {
			memcpy(changed, sig, sig_n);
			changed[at] ^= 1;
			refused_signature("bit flipped", text, n, changed, sig_n);
		}
		refused_signature("cut", text, n, sig, sig_n - 1);
		refused_signature("one byte", text, n, sig, 1);
		memcpy(changed, sig, sig_n);
		changed[sig_n] = 0;
		refused_signature("zero behind", text, n, changed, sig_n + 1);
		changed[0] = 0;
		memcpy(changed + 1, sig, sig_n);
		refused_signature("zero before", text, n, changed, sig_n + 1);
		refused("empty", "form", text, n + 1);
	}
}

static void
a_signature_is_of_its_own_header_and_payload(void **state)
{
	static char text[RIG_TEXT_SIZE];
	uint8_t sig[RIG_SIG_MAX];
	size_t sig_n;

	(void)state;
	for (enum rig_kid key = 0; key < RIG_KEYS; key++) {
		char head[128];
		int head_n = snprintf(
		    head, sizeof(head), OF("%s", "%s"), rig.keys[key].kid, rig.keys[key].alg);
		size_t n;

		(void)good(key, text, sig, &sig_n); /* its signature only */
		n = rig_join(head, (size_t)head_n, WITH(EXP), strlen(WITH(EXP)), text);
		refused_signature("another payload", text, n, sig, sig_n);
		head_n = snprintf(
		    head, sizeof(head), OF("%s", "%s") " ", rig.keys[key].kid, rig.keys[key].alg);
		n = rig_join(head, (size_t)head_n, RIG_PAYLOAD, strlen(RIG_PAYLOAD), text);
		refused_signature("another header", text, n, sig, sig_n);
	}
}

/* The public key is public, so whoever takes HMAC with it as the secret takes everybody's token. */
static void
hmac_with_the_public_key_as_the_secret_is_refused(void **state)
{
	static const char *const heads_of_hmac[] = { OF("rs256", "HS256"), OF("rs256", "HS384"),
		OF("rs256", "HS512"), OF("rs256", "RS256") };
	static char text[RIG_TEXT_SIZE];
	BIO *pem = BIO_new(BIO_s_mem());
	const char *secret;
	long secret_n;

	(void)state;
	assert_int_equal(PEM_write_bio_PUBKEY(pem, rig.keys[RIG_RS256].pkey), 1);
	secret_n = BIO_get_mem_data(pem, &secret);
	for (size_t i = 0; i < 2 * ARRAY_LEN(heads_of_hmac); i++) {
		const char *head = heads_of_hmac[i / 2];
		size_t n = rig_join(head, strlen(head), RIG_PAYLOAD, strlen(RIG_PAYLOAD), text);
		const EVP_MD *md = i / 2 == 1   ? EVP_sha384()
				   : i / 2 == 2 ? EVP_sha512()
						: EVP_sha256();
		uint8_t tag[EVP_MAX_MD_SIZE];
		unsigned int tag_n = 0;

		/* every second one has the empty secret */
		assert_non_null(HMAC(md, secret, i % 2 == 0 ? (int)secret_n : 0,
		    (const uint8_t *)text, n, tag, &tag_n));
		refused("HMAC", i / 2 == 3 ? "signature" : "alg", text,
		    rig_attach(text, n, tag, tag_n));
	}
	BIO_free(pem);
}

/* --- texts ---------------------------------------------------------------------------------- */

/* Puts a piece at a place of a good token; at: from the start, from the end when negative. */
struct edit {
	const char *name, *why;
	const char *piece;
	size_t piece_n;
	int at;
};
#define EDIT(nm, wy, pc, place)                                                                    \
	{                                                                                          \
		nm, wy, pc, sizeof(pc) - 1, place                                                  \
	}

enum { DOT1 = 1000, DOT2 = 2000, END = 3000 }; /* behind the first dot, the second, the end */

static size_t
place_of(const char *text, size_t n, int at)
{
	const char *dot1 = memchr(text, '.', n);
	const char *dot2 = memchr(dot1 + 1, '.', n - (size_t)(dot1 + 1 - text));

	if (at >= END)
		return n + (size_t)(at - END);
	if (at >= DOT1)
		return (size_t)((at >= DOT2 ? dot2 : dot1) + 1 - text) + (size_t)(at % DOT1);
	return (size_t)at;
}

static void
every_inserted_character_is_refused(void **state)
{
	static const struct edit edits[] = {
		EDIT("blank before", "header", " ", 0),
		EDIT("scheme before", "header", "Bearer ", 0),
		EDIT("quote before", "header", "\"", 0),
		EDIT("dot before", "form", ".", 0),
		EDIT("NUL before", "header", "\0", 0),
		EDIT("blank inside of the header", "header", " ", 3),
		EDIT("newline inside of the header", "header", "\n", 3),
		EDIT("NUL inside of the header", "header", "\0", 3),
		EDIT("padding of the header", "header", "=", -1),
		EDIT("dot inside of the header", "form", ".", 3),
		EDIT("newline inside of the payload", "payload", "\n", DOT1 + 3),
		EDIT("tab inside of the payload", "payload", "\t", DOT1 + 3),
		EDIT("NUL inside of the payload", "payload", "\0", DOT1 + 3),
		EDIT("plus inside of the payload", "payload", "++++", DOT1),
		EDIT("slash inside of the payload", "payload", "////", DOT1),
		EDIT("percent-encoding in the payload", "payload", "%2E", DOT1),
		EDIT("dot before the payload", "form", ".", DOT1),
		EDIT("four digits before the signature", "signature", "AAAA", DOT2),
		EDIT("newline inside of the signature", "signature", "\n", DOT2 + 5),
		EDIT("dot inside of the signature", "form", ".", DOT2 + 5),
		EDIT("newline behind", "signature", "\n", END),
		EDIT("blank behind", "signature", " ", END),
		EDIT("NUL behind", "signature", "\0", END),
		EDIT("padding behind", "signature", "=", END),
		EDIT("double padding behind", "signature", "==", END),
		EDIT("text behind", "signature", "!!!!", END),
		EDIT("digits behind", "signature", "AAAA", END),
		EDIT("dot behind", "form", ".", END),
		EDIT("five parts, as of an encrypted token", "form", ".AAAA.AAAA", END),
		EDIT("another token behind", "form", ",a.b.c", END),
		EDIT("not ASCII behind", "signature", "\xc3\xa9", END),
	};
	static char text[RIG_TEXT_SIZE], changed[RIG_TEXT_SIZE];
	size_t n = rig_token(&rig.keys[RIG_ES256], HEAD, RIG_PAYLOAD, text);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		const struct edit *x = &edits[i];
		/* -1: right before the first dot */
		size_t at = x->at < 0 ? place_of(text, n, DOT1) - 1 : place_of(text, n, x->at);

		memcpy(changed, text, at);
		memcpy(changed + at, x->piece, x->piece_n);
		memcpy(changed + at + x->piece_n, text + at, n - at);
		refused(x->name, x->why, changed, n + x->piece_n);
	}
}

static void
every_other_form_is_refused(void **state)
{
	static const char *const forms[] = { ".", "..", "...", "....", "a", "a.b", "a.b.", ".b.c",
		"a..c", "a.b.c.d", "{\"payload\":\"e30\",\"signatures\":[]}", "wdn_sk_0" };
	static char text[RIG_TEXT_SIZE];
	size_t n = rig_token(&rig.keys[RIG_ES256], HEAD, RIG_PAYLOAD, text), dot2;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		refused(forms[i], "form", forms[i], strlen(forms[i]));
	refused("nothing", "size", "", 0);
	dot2 = place_of(text, n, DOT2);
	refused("one part", "form", text, place_of(text, n, DOT1) - 1);
	refused("two parts", "form", text, dot2 - 1);
	refused("two parts and a dot", "form", text, dot2);
	for (size_t cut = 0; cut < n; cut++)
		assert_string_not_equal(rig_why(rig.set, &rig_rules, text, cut), "");
}

/* Each byte of a token matters: no other text of the same length is taken, save that ECDSA knows a
 * second signature, which no single changed character makes. */
static void
no_single_changed_character_is_taken(void **state)
{
	static const char digits[] = "AZaz09-_+/=. \n";
	static char text[RIG_TEXT_SIZE];
	size_t n = rig_token(&rig.keys[RIG_EDDSA], OF("eddsa", "EdDSA"), RIG_PAYLOAD, text);

	(void)state;
	for (size_t at = 0; at < n; at++) {
		char kept = text[at];

		for (size_t i = 0; i < sizeof(digits); i++) { /* NUL, too */
			text[at] = digits[i];
			assert_int_equal(
			    rig_why(rig.set, &rig_rules, text, n)[0] == '\0', text[at] == kept);
		}
		text[at] = kept;
	}
}

static void
raw_bytes_in_a_payload_are_refused(void **state)
{
	static const char nul[] = "{" RIG_CLAIMS "," EXP ",\"a\":\"\0\"}";
	static const char behind[] = RIG_PAYLOAD "\0";
	static char text[RIG_TEXT_SIZE];
	uint8_t sig[RIG_SIG_MAX];
	struct rig_key *key = &rig.keys[RIG_ES256];
	size_t n;

	(void)state;
	n = rig_join(HEAD, strlen(HEAD), nul, sizeof(nul) - 1, text);
	n = rig_attach(text, n, sig, rig_sign(key->pkey, rig_sign_of("ES256"), text, n, sig));
	refused("NUL in a string", "payload", text, n);
	n = rig_join(HEAD, strlen(HEAD), behind, sizeof(behind) - 1, text);
	n = rig_attach(text, n, sig, rig_sign(key->pkey, rig_sign_of("ES256"), text, n, sig));
	refused("NUL behind the payload", "payload", text, n);
}

static void
deep_nesting_is_refused(void **state)
{
	static char text[RIG_TEXT_SIZE], payload[RIG_TEXT_SIZE];
	size_t n;

	(void)state;
	n = (size_t)snprintf(payload, sizeof(payload), "{" RIG_CLAIMS "," EXP ",\"a\":");
	memset(payload + n, '[', 1000);
	memset(payload + n + 1000, ']', 1000);
	memcpy(payload + n + 2000, "}", 2);
	refused("nested 1,000 deep", "payload", text,
	    rig_token(&rig.keys[RIG_ES256], HEAD, payload, text));
}

static void
a_token_of_8192_bytes_is_read_and_a_longer_one_is_not(void **state)
{
	static char text[RIG_TEXT_SIZE], payload[RIG_TEXT_SIZE];
	size_t largest = 0, smallest = SIZE_MAX;

	(void)state;
	for (int fill = 5850; fill < 6000; fill++) {
		size_t n;

		(void)snprintf(
		    payload, sizeof(payload), "{" RIG_CLAIMS "," EXP ",\"a\":\"%*s\"}", fill, "");
		n = rig_token(&rig.keys[RIG_ES256], HEAD, payload, text);
		refused("a long token", n > JWT_TEXT_MAX ? "size" : "", text, n);
		largest = n <= JWT_TEXT_MAX ? n : largest;
		smallest = n > JWT_TEXT_MAX && n < smallest ? n : smallest;
	}
	/* the text of a payload grows by one or two characters a byte */
	assert_in_range(largest, JWT_TEXT_MAX - 1, JWT_TEXT_MAX);
	assert_in_range(smallest, JWT_TEXT_MAX + 1, JWT_TEXT_MAX + 2);
	memset(text, 'A', JWT_TEXT_MAX + 1);
	refused("8,193 bytes", "size", text, JWT_TEXT_MAX + 1);
}

/* --- all ------------------------------------------------------------------------------------ */

static int
open_rig(void **state)
{
	(void)state;
	json_start();
	rig_open(&rig);
	return 0;
}

static int
close_rig(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(degenerate_ecdsa_signatures_are_refused),
		cmocka_unit_test(an_ecdsa_signature_in_der_form_is_refused),
		cmocka_unit_test(a_salt_of_another_length_is_refused),
		cmocka_unit_test(an_ed25519_signature_with_the_order_added_is_refused),
		cmocka_unit_test(no_changed_cut_or_longer_signature_is_taken),
		cmocka_unit_test(a_signature_is_of_its_own_header_and_payload),
		cmocka_unit_test(hmac_with_the_public_key_as_the_secret_is_refused),
		cmocka_unit_test(every_inserted_character_is_refused),
		cmocka_unit_test(every_other_form_is_refused),
		cmocka_unit_test(no_single_changed_character_is_taken),
		cmocka_unit_test(raw_bytes_in_a_payload_are_refused),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(a_token_of_8192_bytes_is_read_and_a_longer_one_is_not),
	};

	return cmocka_run_group_tests(tests, open_rig, close_rig);
}
