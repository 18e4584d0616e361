/* SPDX-License-Identifier: Apache-2.0 */
/* The two files of contexts and credentials, and the folder that they lie in. */
#include "cli_store_internal.h"

#include "conf.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_MAX = 1 << 20,
	OTHERS_READ = 0077,
	OTHERS_WRITE = 0022,
	LOCK_TRIES = 100,
	LOCK_PAUSE_MS = 50
};

struct store_file {
	const char *name;
	mode_t forbidden;
	toml_fn *take;
	void (*put)(const struct cli_store *s, struct buf *out);
};

/* --- reading
 * -------------------------------------------------------------------------------------- */

static int
take_text(char *member, size_t size, const struct toml_value *v, const char *key, struct err *e)
{
	if (v->type != TOML_STRING)
		return err_set(e, ERR_CONF, "'%.60s' must be a text in quotes", key);
	return cli_context_set(member, size, v->string, key, e);
}

static int
take_secret(char **member, const struct toml_value *v, const char *key, struct err *e)
{
	if (v->type != TOML_STRING || strlen(v->string) >= CLI_CREDENTIAL_SIZE)
		return err_set(e, ERR_CONF, "'%.60s' must be a text of less than %d bytes", key,
		    CLI_CREDENTIAL_SIZE);
	*member = strdup(v->string);
	return *member == NULL ? err_set(e, ERR_NO_MEMORY, "not enough memory for a file") : 0;
}

/* "context.prod" -> prod */
static int
context_of_table(struct cli_store *s, const char *table, struct cli_context **ret, struct err *e)
{
	static const char prefix[] = "context.";

	if (strncmp(table, prefix, sizeof(prefix) - 1) != 0) {
		err_set(e, ERR_CONF, "unknown; contexts are tables [context.NAME]");
		return -1;
	}
	return cli_context_put(s, table + sizeof(prefix) - 1, ret, e);
}

static int
take_config(void *ctx, const char *table, const char *key, const struct toml_value *v,
    struct toml_place at, struct err *e)
{
	struct cli_store *s = ctx;
	struct cli_context *c;

	(void)at;
	if (table[0] == '\0' && strcmp(key, "current") == 0)
		return take_text(s->current, sizeof(s->current), v, key, e);
	if (context_of_table(s, table, &c, e) < 0)
		return -1;
	c->listed = true;
	if (strcmp(key, "server") == 0)
		return take_text(c->server, sizeof(c->server), v, key, e);
	if (strcmp(key, "output") == 0)
		return take_text(c->output, sizeof(c->output), v, key, e);
	if (strcmp(key, "project") == 0)
		return take_text(c->project, sizeof(c->project), v, key, e);
	return err_set(
	    e, ERR_CONF, "unknown key '%.60s'; a context has server, output and project", key);
}

static int
take_credential(void *ctx, const char *table, const char *key, const struct toml_value *v,
    struct toml_place at, struct err *e)
{
	struct cli_context *c;

	(void)at;
	if (context_of_table(ctx, table, &c, e) < 0)
		return -1;
	if (strcmp(key, "api_key") == 0)
		return take_secret(&c->api_key, v, key, e);
	if (strcmp(key, "token") == 0)
		return take_secret(&c->token, v, key, e);
	if (strcmp(key, "expires_at") == 0)
		return take_text(c->expires_at, sizeof(c->expires_at), v, key, e);
	return err_set(e, ERR_CONF,
	    "unknown key '%.60s'; a credential has api_key, or token and expires_at", key);
}

/* --- writing -------------------------------------------------------------------------------- */

/* Only printable ASCII comes here (cli_context_set), or what was read before. */
static void
put_line(struct buf *out, const char *key, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	buf_printf(out, "%s = \"", key);
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			buf_char(out, '\\');
		buf_char(out, *p);
	}
	buf_str(out, "\"\n");
}

static void
put_config(const struct cli_store *s, struct buf *out)
{
	put_line(out, "current", s->current);
	for (size_t i = 0; i < s->n; i++) {
		const struct cli_context *c = &s->contexts[i];

		if (!c->listed)
			continue;
		buf_printf(out, "\n[context.%s]\n", c->name);
		put_line(out, "server", c->server);
		put_line(out, "output", c->output);
		put_line(out, "project", c->project);
	}
}

static void
put_credentials(const struct cli_store *s, struct buf *out)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct cli_context *c = &s->contexts[i];

		if (c->api_key == NULL && c->token == NULL)
			continue;
		buf_printf(out, "\n[context.%s]\n", c->name);
		put_line(out, "api_key", c->api_key);
		put_line(out, "token", c->token);
		put_line(out, "expires_at", c->expires_at);
	}
}

/* In the order in which they are written: a credential without its context is harmless, a context
 * whose removed credential stays is not.  Read the other way, so that contexts keep their order. */
static const struct store_file store_files[] = {
	{ "credentials.toml", OTHERS_READ, take_credential, put_credentials },
	{ "config.toml", OTHERS_WRITE, take_config, put_config },
};

/* --- files ------------------------------------------------------------------------------------ */

/* A link in a folder that nobody else can write to is the user's own, who may keep the file
 * elsewhere; what it leads to must be the user's, too. */
static int
check_file(int fd, const char *path, mode_t forbidden, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at %.120s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONF, "%.120s is not a file", path);
	if (st.st_uid != geteuid())
		return err_set(e, ERR_CONF, "%.120s belongs to another user; remove it", path);
	if ((st.st_mode & forbidden) != 0)
		return err_set(e, ERR_CONF, "others can %s a file that is yours: chmod 600 %.180s",
		    forbidden == OTHERS_READ ? "read" : "change", path);
	return 0;
}

/* Nothing is read when there is no such file. */
static int
read_file(int folder, const char *path, const struct store_file *f, struct buf *out, struct err *e)
{
	AUTO_FD int fd = openat(folder, f->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *room;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%.120s cannot be read", path);
	if (check_file(fd, path, f->forbidden, e) < 0)
		return -1;
	buf_init(out, FILE_MAX);
	room = buf_room(out, FILE_MAX);
	if (room == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory to read %.120s", path);
	n = fd_read_full(fd, room, FILE_MAX, e);
	if (n < 0)
		return err_wrap(e, "%.120s", path);
	buf_grown(out, (size_t)n);
	return 0;
}

static int
load_file(struct cli_store *s, int folder, const struct store_file *f, struct err *e)
{
	AUTO_BUF text = { 0 };
	AUTO_BUF path = { 0 };
	int rc;

	buf_init(&path, CLI_PATH_BYTES);
	buf_printf(&path, "%s/%s", s->folder, f->name);
	if (buf_check(&path, e) < 0 || read_file(folder, path.p, f, &text, e) < 0)
		return -1;
	if (text.n == 0)
		return 0;
	rc = toml_read(path.p, text.p, text.n, f->take, s, e);
	explicit_bzero(text.p, text.n);
	return rc;
}

static int
save_file(const struct cli_store *s, const struct store_file *f, struct err *e)
{
	AUTO_BUF text = { 0 };
	int rc;

	buf_init(&text, FILE_MAX);
	buf_str(&text, "# Written by wardian auth and wardian context; comments are not kept.\n");
	f->put(s, &text);
	rc = buf_check(&text, e);
	if (rc == 0)
		rc = fd_write_file(s->lock, f->name, text.p, text.n, 0600, e);
	if (text.n > 0)
		explicit_bzero(text.p, text.n);
	return rc < 0 ? err_wrap(e, "%.120s", s->folder) : 0;
}

/* --- the folder ------------------------------------------------------------------------------- */

/* NULL without a home.  XDG base directory specification: a relative path counts as unset. */
static char *
folder_name(void)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *folder = NULL;
	int n;

	if (xdg != NULL && xdg[0] == '/')
		n = asprintf(&folder, "%s/wardian", xdg);
	else if (home != NULL && home[0] == '/')
		n = asprintf(&folder, "%s/.config/wardian", home);
	else
		return NULL;
	return n < 0 ? NULL : folder;
}

/* With the folders above it. */
static int
make_folder(char *path, struct err *e)
{
	for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		int rc;

		if (slash != NULL)
			*slash = '\0';
		rc = mkdir(path, 0700);
		if (rc < 0 && errno != EEXIST)
			return err_sys(e, errno, "%.200s cannot be made", path);
		if (slash == NULL)
			return 0;
		*slash = '/';
	}
}

static int
check_folder(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at %.120s", path);
	if (st.st_uid != geteuid())
		return err_set(e, ERR_CONF,
		    "%.120s belongs to another user; set XDG_CONFIG_HOME to a folder of your own",
		    path);
	if ((st.st_mode & OTHERS_WRITE) != 0)
		return err_set(e, ERR_CONF,
		    "others can put files into a folder that is yours: chmod 700 %.160s", path);
	return 0;
}

static int
load(struct cli_store *s, int folder, struct err *e)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(store_files); i++)
		any = any || faccessat(folder, store_files[i].name, F_OK, 0) == 0;
	/* The folder may be there for the file api_key alone, which needs no such care. */
	if (!any)
		return 0;
	if (check_folder(folder, s->folder, e) < 0)
		return -1;
	for (size_t i = ARRAY_LEN(store_files); i-- > 0;)
		if (load_file(s, folder, &store_files[i], e) < 0)
			return -1;
	return 0;
}

static struct cli_store *
new_store(struct err *e)
{
	struct cli_store *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		(void)err_set(e, ERR_NO_MEMORY, "not enough memory for contexts"); /* always -1 */
		return NULL;
	}
	s->lock = -1;
	s->folder = folder_name();
	return s;
}

int
cli_store_open(struct cli_store **ret, struct err *e)
{
	AUTO(cli_store) s = new_store(e);
	AUTO_FD int folder = -1;

	if (s == NULL)
		return -1;
	if (s->folder != NULL)
		folder = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* What cannot be opened is not used; who needs it is told that there is no credential. */
	if (folder >= 0 && load(s, folder, e) < 0)
		return -1;
	*ret = s;
	s = NULL;
	return 0;
}

/* Others hold it for as long as two small files take to write. */
static int
lock_folder(int fd, const char *path, struct err *e)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, errno, "%.200s cannot be locked", path);
		(void)poll(NULL, 0, LOCK_PAUSE_MS);
	}
	return err_set(e, ERR_TIMEOUT, "another wardian holds %.120s; try again", path);
}

int
cli_store_open_locked(struct cli_store **ret, struct err *e)
{
	AUTO(cli_store) s = new_store(e);

	if (s == NULL)
		return -1;
	if (s->folder == NULL)
		return err_set(e, ERR_CONF,
		    "there is no place for contexts and credentials; set HOME or XDG_CONFIG_HOME");
	if (make_folder(s->folder, e) < 0)
		return -1;
	s->lock = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->lock < 0)
		return err_sys(e, errno, "%.200s cannot be opened", s->folder);
	if (check_folder(s->lock, s->folder, e) < 0 || lock_folder(s->lock, s->folder, e) < 0 ||
	    load(s, s->lock, e) < 0)
		return -1;
	*ret = s;
	s = NULL;
	return 0;
}

int
cli_store_save(struct cli_store *s, struct err *e)
{
	REQUIRE(s->lock >= 0);
	for (size_t i = 0; i < ARRAY_LEN(store_files); i++)
		if (save_file(s, &store_files[i], e) < 0)
			return -1;
	return 0;
}
