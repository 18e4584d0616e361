/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant_internal.h"

#include "parse.h"

#include <string.h>

const char *
tenant_outcome_name(enum tenant_outcome o)
{
	static const char *const names[OUTCOME_COUNT] = { [OUTCOME_OK] = "ok",
		[OUTCOME_CACHED] = "cached",
		[OUTCOME_MALFORMED] = "malformed",
		[OUTCOME_UNKNOWN] = "unknown",
		[OUTCOME_EXPIRED] = "expired",
		[OUTCOME_REVOKED] = "revoked",
		[OUTCOME_DISABLED] = "disabled",
		[OUTCOME_SUSPENDED] = "suspended",
		[OUTCOME_SOURCE] = "source",
		[OUTCOME_THROTTLED] = "throttled",
		[OUTCOME_ISSUER] = "issuer",
		[OUTCOME_SIGNATURE] = "signature",
		[OUTCOME_CLAIMS] = "claims",
		[OUTCOME_STRANGER] = "stranger" };

	REQUIRE(o < OUTCOME_COUNT);
	return names[o];
}

void
tenant_text_clean(char *out, size_t size, const char *text)
{
	size_t n = strlen(text), at = 0;

	for (size_t i = 0; i < n;) {
		size_t width = parse_utf8_printable(text + i, n - i);
		const char *from = width == 0 ? "?" : text + i;
		size_t step = width == 0 ? 1 : width;

		if (at + step >= size)
			break;
		memcpy(out + at, from, step);
		at += step;
		i += step;
	}
	out[at] = '\0';
}

enum tenant_outcome
tenant_row_apply(const struct tenant_row *row, struct tenant_known *k)
{
	k->who.tenant = row->id;
	k->watch[0] = (struct tenant_version){ row->id.uuid, row->version };
	k->n_watch = 1;
	k->suspended = strcmp(row->state, "suspended") == 0;
	if (k->suspended && row->reason != NULL)
		tenant_text_clean(k->reason, sizeof(k->reason), row->reason);
	return k->suspended || strcmp(row->state, "active") == 0 ? OUTCOME_OK : OUTCOME_UNKNOWN;
}

void
tenant_known_ends(struct tenant_known *k, int64_t wall_us)
{
	if (wall_us != 0 && (k->until_wall_us == 0 || wall_us < k->until_wall_us))
		k->until_wall_us = wall_us;
}
