/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_internal.h"

#include "auth.h"
#include "buf.h"
#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	LINE_MAX_BYTES = 2 * 4 * PATH_MAX + 256, /* two names, all escaped */
	HASH_BLOCK = 8 << 10,
	TOTAL_MAX_BYTES = 64 /* "total " and two numbers */
};

struct state {
	struct auth_digest *digest;
	FILE *file; /* written, or compared with */
	bool write;
	struct buf line;
	uid_t owner;
	struct rootfs_manifest *m;
};

static int
different(const struct rootfs_entry *en, const char *what, struct err *e)
{
	char echo[PARSE_ECHO_SIZE];

	return err_set(e, ERR_CONFLICT, "'%s' %s", parse_echo(en->path, echo), what);
}

static void
put_name(struct buf *b, const char *name)
{
	for (const char *p = name; *p != '\0'; p++) {
		if (*p > ' ' && *p < 0x7f && *p != '\\')
			buf_char(b, *p);
		else
			buf_printf(b, "\\x%02x", (unsigned char)*p);
	}
}

/* Hands the line to the digest and the file, and forgets it. */
static int
end_line(struct state *s, const struct rootfs_entry *en, struct err *e)
{
	char had[HASH_BLOCK];
	int rc = buf_check(&s->line, e);

	if (rc == 0)
		auth_digest_add(s->digest, s->line.p, s->line.n);
	if (rc == 0 && s->write && fwrite(s->line.p, 1, s->line.n, s->file) != s->line.n)
		rc = err_sys(e, errno, "cannot write the manifest");
	for (size_t at = 0, n; rc == 0 && !s->write && at < s->line.n; at += n) {
		n = s->line.n - at < sizeof(had) ? s->line.n - at : sizeof(had);
		if (fread(had, 1, n, s->file) == n && memcmp(had, s->line.p + at, n) == 0)
			continue;
		rc = en == NULL
			 ? err_set(e, ERR_CONFLICT, "Entries are missing at the end")
			 : different(en, "is not as it was imported, or one before it is gone", e);
	}
	buf_clear(&s->line);
	return rc;
}

/* --- entries -------------------------------------------------------------------------------- */

static int
hash_file(struct state *s, const struct rootfs_entry *en, struct err *e)
{
	AUTO_FD int fd =
	    openat(en->dir_fd, en->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	uint8_t hash[AUTH_SHA256_SIZE];
	char hex[2 * AUTH_SHA256_SIZE + 1], block[HASH_BLOCK];
	AUTO(auth_digest) d = NULL;
	int64_t size = 0;
	ssize_t n;

	if (fd < 0)
		return err_sys(e, errno, "cannot open a file");
	if (auth_digest_new(&d, e) < 0)
		return -1;
	while ((n = read(fd, block, sizeof(block))) > 0) {
		auth_digest_add(d, block, (size_t)n);
		size += n;
	}
	if (n < 0)
		return err_sys(e, errno, "cannot read a file");
	if (size != en->st.st_size)
		return different(en, "changed while it was read", e);
	auth_digest_end(d, hash);
	auth_hex(hash, sizeof(hash), hex);
	s->m->bytes += size;
	buf_printf(
	    &s->line, "f %o %jd %s ", (unsigned)(en->st.st_mode & 07777), (intmax_t)size, hex);
	put_name(&s->line, en->path);
	return 0;
}

static int
put_symlink(struct state *s, const struct rootfs_entry *en, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(en->dir_fd, en->name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(e, errno, "cannot read a symbolic link");
	target[n] = '\0';
	buf_printf(&s->line, "l 777 %zd - ", n);
	put_name(&s->line, en->path);
	buf_str(&s->line, " -> ");
	put_name(&s->line, target);
	return 0;
}

static void
put_directory(struct state *s, const struct rootfs_entry *en)
{
	buf_printf(&s->line, "d %o 0 - ", (unsigned)(en->st.st_mode & 07777));
	put_name(&s->line, en->path);
}

static int
put_entry(void *ctx, const struct rootfs_entry *en, struct err *e)
{
	struct state *s = ctx;
	const mode_t mode = en->st.st_mode, wanted = S_ISDIR(mode) ? 05 : S_ISREG(mode) ? 04 : 0;

	if (en->st.st_uid != s->owner)
		return different(en, "belongs to another user than the root as a whole", e);
	if (en->mounted)
		return different(en, "has something mounted upon it", e);
	if (S_ISDIR(mode))
		put_directory(s, en);
	else if (S_ISREG(mode) && hash_file(s, en, e) < 0)
		return -1;
	else if (S_ISLNK(mode) && put_symlink(s, en, e) < 0)
		return -1;
	else if (!S_ISREG(mode) && !S_ISLNK(mode))
		return different(en, "is neither a file nor a directory nor a link", e);
	buf_char(&s->line, '\n');
	s->m->entries++;
	s->m->unreadable += (mode & wanted) != wanted;
	return end_line(s, en, e);
}

/* --- as a whole ----------------------------------------------------------------------------- */

static int
put_all(struct state *s, int tree_fd, int64_t entries_max, struct err *e)
{
	struct stat st;

	if (fstat(tree_fd, &st) < 0)
		return err_sys(e, errno, "cannot look at a root");
	s->owner = st.st_uid;
	buf_str(&s->line, "wardian-root 1\n");
	if (end_line(s, NULL, e) < 0 || rootfs_walk(tree_fd, entries_max, put_entry, s, e) < 0)
		return -1;
	buf_printf(&s->line, "total %jd %jd\n", (intmax_t)s->m->entries, (intmax_t)s->m->bytes);
	if (end_line(s, NULL, e) < 0)
		return -1;
	if (!s->write && fgetc(s->file) != EOF)
		return err_set(e, ERR_CONFLICT, "The manifest is longer than it was");
	if (s->write && fflush(s->file) != 0)
		return err_sys(e, errno, "cannot write the manifest");
	auth_digest_end(s->digest, s->m->digest);
	return 0;
}

int
rootfs_manifest(int tree_fd, int manifest_fd, bool write, int64_t entries_max,
    struct rootfs_manifest *ret, struct err *e)
{
	AUTO_FD int fd = fcntl(manifest_fd, F_DUPFD_CLOEXEC, 0);
	AUTO(auth_digest) digest = NULL;
	struct rootfs_manifest m = { 0 };
	struct state s = { .write = write, .m = &m };
	int rc;

	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "cannot use the manifest");
	if (auth_digest_new(&digest, e) < 0)
		return -1;
	s.file = fdopen(fd, write ? "we" : "re");
	if (s.file == NULL)
		return err_sys(e, errno, "cannot use the manifest");
	(void)fd_take(&fd); /* the stream's now */
	s.digest = digest;
	buf_init(&s.line, LINE_MAX_BYTES);
	rc = put_all(&s, tree_fd, entries_max, e);
	buf_done(&s.line);
	(void)fclose(s.file); /* flushed, or given up */
	if (rc == 0)
		*ret = m;
	return rc;
}

int
rootfs_manifest_totals(int manifest_fd, int64_t *ret_entries, int64_t *ret_bytes, struct err *e)
{
	char text[TOTAL_MAX_BYTES + 1], *line, *second;
	struct err ignored = { 0 };
	int64_t entries, bytes;
	struct stat st;
	ssize_t n;

	if (fstat(manifest_fd, &st) < 0)
		return err_sys(e, errno, "cannot look at a manifest");
	n = pread(manifest_fd, text, TOTAL_MAX_BYTES,
	    st.st_size > TOTAL_MAX_BYTES ? st.st_size - TOTAL_MAX_BYTES : 0);
	if (n < 0)
		return err_sys(e, errno, "cannot read a manifest");
	text[n] = '\0';
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	line = strrchr(text, '\n');
	second = strrchr(text, ' ');
	if (line == NULL || strncmp(line + 1, "total ", 6) != 0 || second <= line + 6)
		return err_set(
		    e, ERR_CONFLICT, "The manifest of a root is damaged; import it again");
	*second = '\0';
	if (parse_i64(line + 7, 0, INT64_MAX, &entries, &ignored) < 0 ||
	    parse_i64(second + 1, 0, INT64_MAX, &bytes, &ignored) < 0)
		return err_set(
		    e, ERR_CONFLICT, "The manifest of a root is damaged; import it again");
	*ret_entries = entries;
	*ret_bytes = bytes;
	return 0;
}
