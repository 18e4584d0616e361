/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_internal.h"

#include "clock.h"
#include "parse.h"

#include <poll.h>

enum {
	WAIT_FIRST_MS = 50,
	WAIT_MOST_MS = 1000,
	OUTAGE_MS = 60000, /* longest absence of the server that a waiting command sits out */
	TIMEOUT_MAX_S = 100000000
};

int
cli_timeout_ms(const struct cli *cli, int64_t *ret, struct err *e)
{
	const char *timeout = cli_option(cli, "--timeout");
	int64_t seconds = 0;

	if (timeout != NULL && parse_i64(timeout, 1, TIMEOUT_MAX_S, &seconds, e) < 0)
		return err_wrap(e, "--timeout (seconds)");
	*ret = seconds * 1000;
	return 0;
}

int
cli_poll(struct cli *cli, cli_look_fn *look, const char *what, int64_t timeout_ms, struct err *e)
{
	struct deadline until = { 0 }, outage = { 0 };
	int nap_ms = WAIT_FIRST_MS;

	if (timeout_ms > 0)
		until = deadline_in_ms(timeout_ms);
	for (;;) {
		int rc = look(cli, e);

		if (rc > 0)
			return 0;
		/* It goes on without the server; so does the wait, once there was an answer. */
		if (rc == 0)
			outage = deadline_in_ms(OUTAGE_MS);
		else if (!err_retryable(e->code) || outage.mono_ns == 0 || deadline_passed(outage))
			return -1;
		if (timeout_ms > 0 && deadline_passed(until))
			return err_set(e, ERR_TIMEOUT, "%.60s is not over yet; it goes on", what);
		(void)poll(NULL, 0, nap_ms);
		nap_ms = nap_ms * 2 < WAIT_MOST_MS ? nap_ms * 2 : WAIT_MOST_MS;
	}
}
