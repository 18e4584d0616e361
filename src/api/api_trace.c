/* SPDX-License-Identifier: Apache-2.0 */
#include "api_value_internal.h"

#include <string.h>

/* Lengths of the fields of a traceparent (W3C Trace Context, section 3.2) and their places. */
enum {
	VERSION_N = 2,
	TRACE_AT = 3,
	TRACE_N = 32,
	PARENT_AT = TRACE_AT + TRACE_N + 1,
	PARENT_N = 16,
	FLAGS_AT = PARENT_AT + PARENT_N + 1,
	FLAGS_N = 2,
	ALL_N = FLAGS_AT + FLAGS_N
};

static bool
hex_field(const char *p, size_t n)
{
	return strspn(p, "0123456789abcdef") >= n;
}

/* The ids may not be zero throughout. */
static bool
id_field(const char *p, size_t n)
{
	return hex_field(p, n) && strspn(p, "0") < n;
}

bool
value_trace_id(const char *traceparent, char out[static VALUE_TRACE_ID_SIZE])
{
	size_t n = strlen(traceparent);

	if (n < ALL_N || !hex_field(traceparent, VERSION_N) || memcmp(traceparent, "ff", 2) == 0)
		return false;
	if (traceparent[VERSION_N] != '-' || traceparent[PARENT_AT - 1] != '-' ||
	    traceparent[FLAGS_AT - 1] != '-')
		return false;
	if (!id_field(traceparent + TRACE_AT, TRACE_N) ||
	    !id_field(traceparent + PARENT_AT, PARENT_N) ||
	    !hex_field(traceparent + FLAGS_AT, FLAGS_N))
		return false;
	/* Later versions may go on after a dash; this one ends here. */
	if (n > ALL_N && (traceparent[ALL_N] != '-' || memcmp(traceparent, "00", 2) == 0))
		return false;
	memcpy(out, traceparent + TRACE_AT, TRACE_N);
	out[TRACE_N] = '\0';
	return true;
}
