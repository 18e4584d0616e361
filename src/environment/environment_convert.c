/* SPDX-License-Identifier: Apache-2.0 */
#include "environment_internal.h"

#include "conf.h"
#include "parse.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

/* Values of a profile that are more than their type says, and the words that they may be. */

const char *const environment_param_type_names[] = {
	[ENVIRONMENT_PARAM_FILE] = "file",
	[ENVIRONMENT_PARAM_TEXT] = "text",
	[ENVIRONMENT_PARAM_INTEGER] = "integer",
	[ENVIRONMENT_PARAM_NUMBER] = "number",
	[ENVIRONMENT_PARAM_CHOICE] = "choice",
	[ENVIRONMENT_PARAM_LIST] = "list",
};

const char *const environment_rule_kind_names[] = {
	[ENVIRONMENT_RULE_MEASURE] = "measure",
	[ENVIRONMENT_RULE_TABLE] = "table",
	[ENVIRONMENT_RULE_BLOCK] = "block",
	[ENVIRONMENT_RULE_JSON] = "json",
};

/* Index of a known word; -1 with the nearest one named. */
int
environment_known_word(const char *const names[], size_t n, const char *word, struct err *e)
{
	size_t i = environment_name_index(names, n, word);
	const char *near = environment_near(names, n, word);
	char echo[PARSE_ECHO_SIZE];

	if (i < n)
		return (int)i;
	if (near == NULL)
		return err_set(e, ERR_CONF, "\"%s\" is not known here", parse_echo(word, echo));
	return err_set(e, ERR_CONF, "\"%s\" is not known here; did you mean \"%s\"?",
	    parse_echo(word, echo), near);
}

int
environment_set_memory(struct arena *mem, const struct toml_value *v, void *dest, struct err *e)
{
	(void)mem; /* nothing to allocate */
	return parse_bytes(v->string, MIB, INT64_C(1) << 50, dest, e);
}

int
environment_set_wall(struct arena *mem, const struct toml_value *v, void *dest, struct err *e)
{
	(void)mem;
	return parse_duration_ms(v->string, 1000, INT64_C(365) * 86400 * 1000, dest, e);
}

int
environment_set_type(struct arena *mem, const struct toml_value *v, void *dest, struct err *e)
{
	int i = environment_known_word(
	    environment_param_type_names, ENVIRONMENT_PARAM_TYPES, v->string, e);

	(void)mem;
	if (i < 0)
		return -1;
	*(enum environment_param_type *)dest = (enum environment_param_type)i;
	return 0;
}

int
environment_set_kind(struct arena *mem, const struct toml_value *v, void *dest, struct err *e)
{
	int i = environment_known_word(
	    environment_rule_kind_names, ENVIRONMENT_RULE_KINDS, v->string, e);

	(void)mem;
	if (i < 0)
		return -1;
	*(enum environment_rule_kind *)dest = (enum environment_rule_kind)i;
	return 0;
}

/* The text of a scalar, as it would stand in the command. */
int
environment_set_default(struct arena *mem, const struct toml_value *v, void *dest, struct err *e)
{
	char number[PARSE_F64_SIZE];
	const char *text = NULL;

	if (v->type == TOML_STRING)
		text = arena_strdup(mem, v->string);
	else if (v->type == TOML_INT)
		text = arena_printf(mem, "%" PRId64, v->integer);
	else if (v->type == TOML_FLOAT)
		text = arena_strdup(mem, format_f64(v->number, number));
	else
		return err_set(e, ERR_CONF, "a default is a text or a number");
	if (text == NULL)
		return arena_err(e);
	*(const char **)dest = text;
	return 0;
}

/* The order of both tables is the same.  KILL and STOP are no way to tell a program anything, and
 * signals that faults raise would be taken for one. */
static const char *const signal_names[] = { "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2",
	"SIGALRM", "SIGTERM", "SIGXCPU" };
static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM,
	SIGXCPU };
_Static_assert(ARRAY_LEN(signals) == ARRAY_LEN(signal_names), "a name for each");

const char *
environment_signal_name(int signal)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (signals[i] == signal)
			return signal_names[i];
	return NULL;
}

int
environment_set_signal(struct arena *mem, const struct toml_value *v, void *dest, struct err *e)
{
	size_t i = environment_name_index(signal_names, ARRAY_LEN(signal_names), v->string);

	(void)mem;
	if (i == ARRAY_LEN(signal_names))
		return err_set(e, ERR_CONF,
		    "must be one of SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM "
		    "and SIGXCPU");
	*(int *)dest = signals[i];
	return 0;
}

/* One name, so that no way out of the working directory needs to be thought of. */
int
environment_set_stop_file(struct arena *mem, const struct toml_value *v, void *dest, struct err *e)
{
	size_t n = strlen(v->string);
	char *copy = arena_strdup(mem, v->string);

	if (n < 1 || n > ENVIRONMENT_STOP_FILE_MAX || strchr(v->string, '/') != NULL ||
	    strcmp(v->string, ".") == 0 || strcmp(v->string, "..") == 0)
		return err_set(e, ERR_CONF,
		    "must be one name in the working directory, of 1 to %d bytes without '/'",
		    ENVIRONMENT_STOP_FILE_MAX);
	if (strpbrk(v->string, "{}") != NULL)
		return err_set(e, ERR_CONF, "is the name itself and has no {places}");
	if (copy == NULL)
		return arena_err(e);
	*(const char **)dest = copy;
	return 0;
}

int
environment_set_stop_text(struct arena *mem, const struct toml_value *v, void *dest, struct err *e)
{
	char *copy = arena_strdup(mem, v->string);

	if (strlen(v->string) > ENVIRONMENT_TEXT_MAX)
		return err_set(e, ERR_CONF, "must have at most %d bytes", ENVIRONMENT_TEXT_MAX);
	if (copy == NULL)
		return arena_err(e);
	*(const char **)dest = copy;
	return 0;
}

int
environment_set_stop_wait(struct arena *mem, const struct toml_value *v, void *dest, struct err *e)
{
	(void)mem;
	/* Neither is true of NaN. */
	if (!(v->number >= 0.001 && v->number <= ENVIRONMENT_STOP_WAIT_MAX_MS / 1000))
		return err_set(e, ERR_CONF, "must be between 0.001 and %d seconds",
		    ENVIRONMENT_STOP_WAIT_MAX_MS / 1000);
	*(int64_t *)dest = (int64_t)(v->number * 1000 + 0.5);
	return 0;
}

int
environment_set_root(struct arena *mem, const struct toml_value *v, void *dest, struct err *e)
{
	char *copy = arena_strdup(mem, v->string);

	if (strlen(v->string) != ENVIRONMENT_ROOT_DIGITS ||
	    strspn(v->string, "0123456789abcdef") != ENVIRONMENT_ROOT_DIGITS)
		return err_set(e, ERR_CONF,
		    "must be the SHA-256 of an unpacked root: %d lower-case hexadecimal digits",
		    ENVIRONMENT_ROOT_DIGITS);
	/* All zero stands for none where roots are numbers. */
	if (strspn(v->string, "0") == ENVIRONMENT_ROOT_DIGITS)
		return err_set(
		    e, ERR_CONF, "is no digest of anything; leave it out for the host's /usr");
	if (copy == NULL)
		return arena_err(e);
	*(const char **)dest = copy;
	return 0;
}

int
environment_set_gpus(struct arena *mem, const struct toml_value *v, void *dest, struct err *e)
{
	(void)mem;
	if (v->integer < 0 || v->integer > ENVIRONMENT_GPUS_MAX)
		return err_set(
		    e, ERR_CONF, "must be between 0 and %d whole devices", ENVIRONMENT_GPUS_MAX);
	*(int64_t *)dest = v->integer;
	return 0;
}
