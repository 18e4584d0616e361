/* SPDX-License-Identifier: Apache-2.0 */
/* Builds a manifest from options and files; the environment's schema says how to write a parameter.
 */
#include "cli_call_internal.h"

#include "base64.h"
#include "caps.h"
#include "id.h"
#include "parse.h"

#include <stdio.h>
#include <string.h>

/* --- inputs --------------------------------------------------------------------------------- */

static void
put_base64(struct json_out *o, const void *p, size_t n)
{
	AUTO_BUF b = { 0 };

	buf_init(&b, 2 * (size_t)CAP_BODY_BYTES);
	base64_append(&b, BASE64_STANDARD, p, n);
	json_put_text(o, "base64", b.n == 0 ? "" : b.p);
}

/* "FILE" becomes an input of the same base name, "FILE:PATH" one at PATH. */
static int
put_input(struct json_out *o, const char *option, struct err *e)
{
	const char *colon = strrchr(option, ':');
	AUTO_FREE char *file =
	    colon == NULL ? strdup(option) : strndup(option, (size_t)(colon - option));
	const char *path;
	AUTO_BUF text = { 0 };

	if (file == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory for a file name");
	path = colon != NULL                ? colon + 1
	       : strrchr(file, '/') == NULL ? file
					    : strrchr(file, '/') + 1;
	if (cli_read_file(file, &text, e) < 0)
		return err_wrap(e, "--input");
	json_out_begin(o);
	json_put_text(o, "path", path);
	if (parse_utf8_valid(text.p, text.n)) {
		json_out_key(o, "text");
		json_out_text_n(o, text.p, text.n);
	} else {
		put_base64(o, text.p, text.n);
	}
	json_out_end(o);
	return 0;
}

static int
put_inputs(const struct cli *cli, struct json_out *o, struct err *e)
{
	if (!cli_flag(cli, "--input"))
		return 0;
	json_out_key(o, "inputs");
	json_out_begin_array(o);
	for (size_t i = 0; i < cli->n_options; i++)
		if (strcmp(cli->options[i].name, "--input") == 0 &&
		    put_input(o, cli->options[i].value, e) < 0)
			return -1;
	json_out_end_array(o);
	return 0;
}

/* --- parameters ----------------------------------------------------------------------------- */

/* Type of a parameter as the environment declares it, "" when unknown: the server will say. */
static const char *
parameter_type(const struct json_value *environment, const char *name, size_t n)
{
	const struct json_value *params = json_member(environment, "parameters");

	for (size_t i = 0; i < json_count(params); i++) {
		const char *known = cli_text(json_at(params, i), "name");

		if (strlen(known) == n && strncmp(known, name, n) == 0)
			return cli_text(json_at(params, i), "type");
	}
	return "";
}

static void
put_parameter_value(struct json_out *o, const char *type, const char *text)
{
	struct err ignored = { 0 };
	double number;
	int64_t integer;

	if (strcmp(type, "integer") == 0 &&
	    parse_i64(text, INT64_MIN, INT64_MAX, &integer, &ignored) == 0)
		json_out_i64(o, integer);
	else if (strcmp(type, "number") == 0 &&
		 parse_f64(text, strlen(text), &number, &ignored) == 0)
		json_out_f64(o, number);
	else
		json_out_text(o, text);
}

static bool
same_parameter(const struct cli_option *a, const struct cli_option *b)
{
	size_t n = strcspn(a->value, "=");

	return strcmp(a->name, b->name) == 0 && strncmp(a->value, b->value, n + 1) == 0;
}

/* A list takes all its repetitions, in order, at the place of the first. */
static void
put_list(const struct cli *cli, size_t first, struct json_out *o)
{
	json_out_begin_array(o);
	for (size_t i = first; i < cli->n_options; i++)
		if (same_parameter(&cli->options[first], &cli->options[i]))
			json_out_text(o, strchr(cli->options[i].value, '=') + 1);
	json_out_end_array(o);
}

static bool
seen_before(const struct cli *cli, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (same_parameter(&cli->options[i], &cli->options[at]))
			return true;
	return false;
}

static int
put_parameters(
    const struct cli *cli, const struct json_value *environment, struct json_out *o, struct err *e)
{
	if (!cli_flag(cli, "--param"))
		return 0;
	json_out_key(o, "parameters");
	json_out_begin(o);
	for (size_t i = 0; i < cli->n_options; i++) {
		const char *value = cli->options[i].value;
		size_t n = strcspn(value, "=");
		char name[CAP_NAME_BYTES + 1];
		const char *type;

		if (strcmp(cli->options[i].name, "--param") != 0)
			continue;
		if (value[n] != '=' || n == 0 || n > CAP_NAME_BYTES)
			return err_set(e, ERR_USAGE, "--param is NAME=VALUE, not '%.60s'", value);
		type = parameter_type(environment, value, n);
		if (seen_before(cli, i) && strcmp(type, "list") == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, value);
		json_out_key(o, name);
		if (strcmp(type, "list") == 0)
			put_list(cli, i, o);
		else
			put_parameter_value(o, type, value + n + 1);
	}
	json_out_end(o);
	return 0;
}

/* --- the rest ------------------------------------------------------------------------------- */

static int
put_labels(const struct cli *cli, struct json_out *o, struct err *e)
{
	if (!cli_flag(cli, "--label"))
		return 0;
	json_out_key(o, "labels");
	json_out_begin(o);
	for (size_t i = 0; i < cli->n_options; i++) {
		const char *value = cli->options[i].value;
		size_t n = strcspn(value, "=");
		char name[CAP_NAME_BYTES + 1];

		if (strcmp(cli->options[i].name, "--label") != 0)
			continue;
		if (value[n] != '=' || n == 0 || n > CAP_NAME_BYTES)
			return err_set(e, ERR_USAGE, "--label is NAME=VALUE, not '%.60s'", value);
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, value);
		json_put_text(o, name, value + n + 1);
	}
	json_out_end(o);
	return 0;
}

enum option_unit { UNIT_COUNT, UNIT_NUMBER, UNIT_BYTES, UNIT_FLAG };
struct number_option {
	const char *option, *member;
	enum option_unit unit;
};

static int
put_number(const struct cli *cli, const struct number_option *n, struct json_out *o, struct err *e)
{
	const char *text = cli_option(cli, n->option);
	int64_t whole = 0;
	double number = 0;
	int rc = 0;

	if (text == NULL)
		return 0;
	json_out_key(o, n->member);
	if (n->unit == UNIT_FLAG) {
		json_out_bool(o, true);
		return 0;
	}
	if (n->unit == UNIT_NUMBER)
		rc = parse_f64(text, strlen(text), &number, e);
	else if (n->unit == UNIT_BYTES)
		rc = parse_bytes(text, 0, INT64_MAX, &whole, e);
	else
		rc = parse_i64(text, INT64_MIN, INT64_MAX, &whole, e);
	if (rc < 0)
		return err_wrap(e, "%s", n->option);
	if (n->unit == UNIT_NUMBER)
		json_out_f64(o, number);
	else
		json_out_i64(o, whole);
	return 0;
}

/* An object member whose own members are options; left out when none was given. */
static int
put_group(const struct cli *cli, const char *name, const struct number_option *options, size_t n,
    struct json_out *o, struct err *e)
{
	bool any = name == NULL;

	for (size_t i = 0; i < n; i++)
		any = any || cli_flag(cli, options[i].option);
	if (!any)
		return 0;
	if (name != NULL) {
		json_out_key(o, name);
		json_out_begin(o);
	}
	for (size_t i = 0; i < n; i++)
		if (put_number(cli, &options[i], o, e) < 0)
			return -1;
	if (name != NULL)
		json_out_end(o);
	return 0;
}

static int
put_numbers(const struct cli *cli, struct json_out *o, struct err *e)
{
	static const struct number_option resources[] = { { "--cpus", "cpus", UNIT_NUMBER },
		{ "--memory", "memory_bytes", UNIT_BYTES }, { "--disk", "disk_bytes", UNIT_BYTES },
		{ "--gpus", "gpus", UNIT_COUNT }, { "--pin-cpus", "pin_cpus", UNIT_FLAG } };
	static const struct number_option limits[] = { { "--wall", "wall_s", UNIT_COUNT },
		{ "--no-output", "no_output_s", UNIT_COUNT },
		{ "--cpu-time", "cpu_s", UNIT_NUMBER },
		{ "--io-read", "io_read_bytes_per_s", UNIT_BYTES },
		{ "--io-write", "io_write_bytes_per_s", UNIT_BYTES } };
	static const struct number_option retry[] = { { "--attempts", "max_attempts",
	    UNIT_COUNT } };
	static const struct number_option top[] = { { "--priority", "priority", UNIT_COUNT },
		{ "--seed", "seed", UNIT_COUNT } };

	if (put_group(cli, "resources", resources, ARRAY_LEN(resources), o, e) < 0 ||
	    put_group(cli, "limits", limits, ARRAY_LEN(limits), o, e) < 0 ||
	    put_group(cli, "retry", retry, ARRAY_LEN(retry), o, e) < 0)
		return -1;
	return put_group(cli, NULL, top, ARRAY_LEN(top), o, e);
}

/* Schema of the environment, when it is known and readable; its absence is the server's to report.
 */
static void
fetch_environment(struct cli *cli, struct json **ret, struct buf *body)
{
	struct err ignored = { 0 };
	AUTO_BUF path = { 0 };

	if (cli->n_words == 0 || !cli_flag(cli, "--param"))
		return;
	buf_init(&path, 2048);
	buf_str(&path, "/v1/environments/");
	client_escape(cli->words[0], &path);
	if (buf_check(&path, &ignored) == 0)
		if (cli_get_json(cli, path.p, ret, body, &ignored) < 0)
			*ret = NULL;
}

static int
build(struct cli *cli, struct buf *out, struct err *e)
{
	const char *project =
	    cli_flag(cli, "--project") ? cli_option(cli, "--project") : cli->project;
	AUTO(json) environment = NULL;
	AUTO_BUF answer = { 0 };
	struct json_out o;

	fetch_environment(cli, &environment, &answer);
	json_out_init(&o, out);
	json_out_begin(&o);
	if (cli->n_words > 0)
		json_put_text(&o, "environment", cli->words[0]);
	if (cli_flag(cli, "--name"))
		json_put_text(&o, "name", cli_option(cli, "--name"));
	if (project != NULL && project[0] != '\0')
		json_put_text(&o, "project", project);
	if (put_numbers(cli, &o, e) < 0 || put_labels(cli, &o, e) < 0 ||
	    put_parameters(cli, environment == NULL ? NULL : json_root(environment), &o, e) < 0 ||
	    put_inputs(cli, &o, e) < 0)
		return -1;
	json_out_end(&o);
	return buf_check(out, e);
}

/* Joins the options' members and the file's: a member given twice is the server's to refuse. */
static int
join_manifest(const struct cli *cli, struct buf *out, struct err *e)
{
	AUTO_BUF text = { 0 };
	size_t at;

	if (cli_read_file(cli_option(cli, "--manifest"), &text, e) < 0)
		return err_wrap(e, "--manifest");
	if (text.n == 0)
		return err_set(e, ERR_USAGE, "the manifest is empty; it must be a JSON object");
	at = strspn(text.p, " \t\r\n");
	if (text.p[at] != '{')
		return err_set(e, ERR_USAGE, "the manifest must be a JSON object");
	at += 1 + strspn(text.p + at + 1, " \t\r\n");
	if (out->n > 2 && text.p[at] != '}') {
		out->p[out->n - 1] = ',';
		buf_append(out, text.p + at, text.n - at);
	} else if (out->n == 2) {
		buf_clear(out);
		buf_append(out, text.p, text.n);
	}
	return buf_check(out, e);
}

int
cli_job_submit(struct cli *cli, struct err *e)
{
	const char *key = cli_option(cli, "--idempotency-key");
	char own_key[UUID_STR_SIZE], id[ID_STR_SIZE];
	struct uuid job; /* checked, not used: what is printed is an id */
	AUTO(json) j = NULL;
	AUTO_BUF answer = { 0 };
	AUTO_BUF body = { 0 };

	if (cli->n_words == 0 && !cli_flag(cli, "--manifest"))
		return err_set(
		    e, ERR_USAGE, "name an environment or give --manifest; see wardian env list");
	buf_init(&body, 4 * (size_t)CAP_BODY_BYTES);
	if (build(cli, &body, e) < 0)
		return -1;
	if (cli_flag(cli, "--manifest") && join_manifest(cli, &body, e) < 0)
		return -1;
	/* A key of its own makes the retry after a lost answer safe. */
	if (key == NULL)
		key = uuid_format(uuid_v7(), own_key);
	if (cli_post_json(cli, "/v1/jobs", &body, key, &j, &answer, e) < 0)
		return -1;
	(void)snprintf(id, sizeof(id), "%s", cli_text(json_root(j), "id"));
	if (id_parse("job", id, &job, e) < 0)
		return err_set(
		    e, ERR_PROTOCOL, "the server took the job and did not answer with its id");
	if (cli_flag(cli, "--follow")) {
		(void)fprintf(stderr, "%s\n", id);
		if (cli_follow(cli, id, "offset=0", e) < 0)
			return -1;
		return cli_wait(cli, id, 0, e);
	}
	if (cli_flag(cli, "--wait"))
		return cli_wait(cli, id, 0, e);
	if (cli->json)
		cli_print_raw(&answer);
	else
		puts(id);
	return 0;
}
