/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of roots: whatever they hold, either nothing stays or a whole root within its limits. */
#include "base.h"
#include "err.h"
#include "fd.h"
#include "object.h"
#include "rootfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 1 << 16, FILES_MAX = 64 };

struct place {
	char dir[64];
	int state_fd, roots_fd;
};

static void
place_open(struct place *p)
{
	struct err e = { 0 };

	/* In memory where there is some: an import ends with writing all to the disk. */
	(void)snprintf(p->dir, sizeof(p->dir), "%s/wardian-fuzz-rootfs-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	REQUIRE(mkdtemp(p->dir) != NULL);
	p->state_fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(rootfs_open(p->state_fd, &p->roots_fd, &e) == 0);
}

/* Nothing lies beside roots/, and nothing in it: both removals would fail. */
static void
place_close(struct place *p)
{
	REQUIRE(unlinkat(p->state_fd, "roots", AT_REMOVEDIR) == 0);
	REQUIRE(rmdir(p->dir) == 0);
	close(p->roots_fd);
	close(p->state_fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rootfs_limits limits = { .bytes_max = BYTES_MAX,
		.files_max = FILES_MAX };
	AUTO_FD int fd = memfd_create("archive", MFD_CLOEXEC);
	struct rootfs_info info, again;
	struct err e = { 0 };
	struct place p;

	REQUIRE(write(fd, data, size) == (ssize_t)size);
	REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
	place_open(&p);
	if (rootfs_import(p.roots_fd, fd, &limits, &info, &e) == 0) {
		REQUIRE(info.fresh && info.entries > 0 && info.entries <= FILES_MAX);
		REQUIRE(info.bytes <= BYTES_MAX);
		REQUIRE(rootfs_verify(p.roots_fd, info.hex, &again, &e) == 0);
		/* Not rootfs_remove, which looks at all processes. */
		REQUIRE(object_remove_tree(p.roots_fd, info.hex, &e) == 0);
	} else {
		REQUIRE(e.msg[0] != '\0' && e.code != ERR_NONE);
	}
	place_close(&p);
	return 0;
}
