/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_TLS_INTERNAL_H
#define HTTP_TLS_INTERNAL_H

/* Private to http_tls.c and http_tls_pair.c. */

#include "http_internal.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

enum { TLS_CHAIN_MAX = 16 };

/* Loop thread. */
struct http_tls_pair {
	int n_refs; /* connections, and the server while it is today's */
	unsigned int n_certs;
	gnutls_pcert_st certs[TLS_CHAIN_MAX];
	gnutls_privkey_t key;
};

/* One reference is the caller's; ERR_CONF names the setting. */
int tls_pair_load(const char *certificate, const char *key_path, struct http_tls_pair **ret,
    struct err *e) MUST_CHECK;
/* Accepts NULL. */
void tls_pair_unref(struct http_tls_pair *pair);

#endif
