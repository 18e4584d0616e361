/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking for GPUs.  A name below /dev proves nothing: major numbers of loadable drivers are given
 * out at run time, so a node that outlived its driver may be another driver's by now.  Therefore
 * /proc/devices decides which major is the driver's, and the minor must be the name's.  What the
 * driver writes about a device is taken as text of a stranger: bounded, and printable or absent.
 */
#include "gpu.h"

#include "fd.h"
#include "parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	DEVICES_BYTES_MAX = 64 << 10,
	INFORMATION_BYTES_MAX = 4 << 10,
	/* Directories of the driver that are looked into, hidden ones included. */
	INFORMATIONS_MAX = 4 * GPUS_MAX,
	NODE_NAME_SIZE = 32,
	OPEN_TO_ALL = 0006
};

/* --- which numbers are the driver's ----------------------------------------------------------- */

/* Names in /proc/devices that may stand for a node: they changed between releases of the driver. */
enum { DRIVERS = 3, ANY_MINOR = -1 };
static const char *const device_drivers[DRIVERS] = { "nvidia", "nvidia-frontend" };
static const struct control {
	const char *name;
	const char *drivers[DRIVERS];
	int minor;
} controls[GPU_CONTROLS] = {
	[GPU_CONTROL_CTL] = { "nvidiactl", { "nvidiactl", "nvidia", "nvidia-frontend" }, 255 },
	[GPU_CONTROL_UVM] = { "nvidia-uvm", { "nvidia-uvm" }, ANY_MINOR },
	[GPU_CONTROL_UVM_TOOLS] = { "nvidia-uvm-tools", { "nvidia-uvm" }, ANY_MINOR },
	[GPU_CONTROL_MODESET] = { "nvidia-modeset",
	    { "nvidia-modeset", "nvidia", "nvidia-frontend" }, 254 },
};

const char *
gpu_control_name(enum gpu_control c)
{
	REQUIRE((size_t)c < GPU_CONTROLS);
	return controls[c].name;
}

/* Where to look, opened. */
struct look {
	int dev_fd, proc_fd;
	char *devices; /* text of /proc/devices */
};

static void
look_close(struct look *l)
{
	fd_close(&l->dev_fd);
	fd_close(&l->proc_fd);
	free(l->devices);
	l->devices = NULL;
}

static int
look_open(const struct gpu_places *places, struct look *l, struct err *e)
{
	const char *dev = places == NULL || places->dev == NULL ? "/dev" : places->dev;
	const char *proc = places == NULL || places->proc == NULL ? "/proc" : places->proc;
	size_t n;

	*l = (struct look){ .dev_fd = open(dev, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.proc_fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	if (l->dev_fd < 0 || l->proc_fd < 0) {
		err_sys(e, errno, "cannot look for GPUs in %s and %s", dev, proc);
		look_close(l);
		return -1;
	}
	if (fd_read_file(l->proc_fd, "devices", DEVICES_BYTES_MAX, &l->devices, &n, e) < 0) {
		look_close(l);
		return err_wrap(e, "look for GPUs");
	}
	return 0;
}

/* Whether the line up to `end` reads "<number> <name>". */
static bool
is_line_of(const char *line, const char *end, const char *name, int64_t *ret_number)
{
	const char *digits = line + strspn(line, " ");
	const size_t n = strspn(digits, "0123456789");
	struct err ignored = { 0 };
	char number[16];

	if (n >= sizeof(number) || digits + n >= end || digits[n] != ' ' ||
	    (size_t)(end - digits) != n + 1 + strlen(name) ||
	    memcmp(digits + n + 1, name, strlen(name)) != 0)
		return false;
	memcpy(number, digits, n);
	number[n] = '\0';
	return parse_i64(number, 0, INT32_MAX, ret_number, &ignored) == 0;
}

/* Of a driver of character devices; -1 when there is none of that name. */
static int64_t
major_of(const char *devices, const char *name)
{
	static const char head[] = "Character devices:\n";
	const char *line = strstr(devices, head);
	int64_t number;

	if (line == NULL)
		return -1;
	for (line += sizeof(head) - 1; *line != '\n' && *line != '\0';) {
		const char *end = line + strcspn(line, "\n");

		if (is_line_of(line, end, name, &number))
			return number;
		line = end + (*end == '\n');
	}
	return -1;
}

static bool
is_of(const struct look *l, const char *const drivers[static DRIVERS], const struct stat *st)
{
	for (size_t i = 0; i < DRIVERS && drivers[i] != NULL; i++)
		if (major_of(l->devices, drivers[i]) == (int64_t)major(st->st_rdev))
			return true;
	return false;
}

/* What a node must be to be the driver's. */
struct node {
	char name[NODE_NAME_SIZE];
	const char *const *drivers;
	int minor;
};

static struct node
device_node(uint32_t minor)
{
	struct node n = { .drivers = device_drivers, .minor = (int)minor };

	(void)snprintf(n.name, sizeof(n.name), "nvidia%u", minor); /* fits */
	return n;
}

static struct node
control_node(enum gpu_control c)
{
	struct node n = { .drivers = controls[c].drivers, .minor = controls[c].minor };

	(void)snprintf(n.name, sizeof(n.name), "%s", controls[c].name); /* fits */
	return n;
}

static int
open_node(const struct look *l, const struct node *n, int *ret_fd, struct err *e)
{
	AUTO_FD int fd = openat(l->dev_fd, n->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "there is no device %s", n->name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at the device %s", n->name);
	if (!S_ISCHR(st.st_mode) || !is_of(l, n->drivers, &st) ||
	    (n->minor != ANY_MINOR && minor(st.st_rdev) != (unsigned)n->minor))
		return err_set(e, ERR_NOT_FOUND,
		    "%s is no device of the driver that is loaded; make it anew with "
		    "nvidia-modprobe",
		    n->name);
	if ((st.st_mode & OPEN_TO_ALL) != OPEN_TO_ALL)
		return err_set(e, ERR_DENIED,
		    "%s is not open to everyone, so no job could use it; give it the mode 0666",
		    n->name);
	*ret_fd = fd_take(&fd);
	return 0;
}

int
gpu_open(const struct gpu_places *places, const char *name, int *ret_fd, struct err *e)
{
	struct look l;
	struct node n = { .drivers = NULL };
	int rc = -1;

	for (uint32_t i = 0; i < GPUS_MAX && strcmp(n.name, name) != 0; i++)
		n = device_node(i);
	for (int i = 0; i < GPU_CONTROLS && strcmp(n.name, name) != 0; i++)
		n = control_node((enum gpu_control)i);
	if (strcmp(n.name, name) != 0)
		return err_set(e, ERR_NOT_FOUND, "no device of a GPU has this name");
	if (look_open(places, &l, e) < 0)
		return -1;
	rc = open_node(&l, &n, ret_fd, e);
	look_close(&l);
	return rc;
}

/* --- what the driver tells -------------------------------------------------------------------- */

static bool
is_printable(const char *p, size_t n)
{
	while (n > 0) {
		size_t step = parse_utf8_printable(p, n);

		if (step == 0)
			return false;
		p += step;
		n -= step;
	}
	return true;
}

/* The value behind "key:" on a line of its own; "" when there is none or it is unusable. */
static void
copy_value(const char *text, const char *key, char ret[static GPU_TEXT_SIZE])
{
	const size_t key_n = strlen(key);
	const char *line = text;
	size_t n;

	ret[0] = '\0';
	while (strncmp(line, key, key_n) != 0) {
		line = strchr(line, '\n');
		if (line == NULL)
			return;
		line++;
	}
	line += key_n;
	line += strspn(line, " \t");
	n = strcspn(line, "\n");
	while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t' || line[n - 1] == '\r'))
		n--;
	if (n >= GPU_TEXT_SIZE || !is_printable(line, n))
		return;
	memcpy(ret, line, n);
	ret[n] = '\0';
}

/* Drops what is not made of these characters, or does not begin like this. */
static void
keep_shape(char value[static GPU_TEXT_SIZE], const char *prefix, const char *characters)
{
	const size_t n = strlen(prefix);

	if (strncmp(value, prefix, n) != 0 || value[n + strspn(value + n, characters)] != '\0')
		value[0] = '\0';
}

static struct gpu *
find(struct gpus *g, int64_t minor)
{
	for (size_t i = 0; i < g->n; i++)
		if ((int64_t)g->at[i].minor == minor)
			return &g->at[i];
	return NULL;
}

static void
read_information(int dir_fd, const char *name, struct gpus *g)
{
	AUTO_FD int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FREE char *text = NULL;
	char number[GPU_TEXT_SIZE];
	struct err ignored = { 0 }; /* what the driver does not tell is left empty */
	struct gpu *at;
	int64_t minor;
	size_t n;

	if (fd < 0 ||
	    fd_read_file(fd, "information", INFORMATION_BYTES_MAX, &text, &n, &ignored) < 0)
		return;
	copy_value(text, "Device Minor:", number);
	if (parse_i64(number, 0, GPUS_MAX - 1, &minor, &ignored) < 0)
		return;
	at = find(g, minor);
	if (at == NULL)
		return;
	copy_value(text, "Model:", at->model);
	copy_value(text, "GPU UUID:", at->uuid);
	keep_shape(at->uuid, "GPU-", "0123456789abcdef-");
	copy_value(text, "Bus Location:", at->bus);
	keep_shape(at->bus, "", "0123456789abcdefABCDEF:.");
}

static void
read_informations(int proc_fd, struct gpus *g)
{
	int fd = openat(proc_fd, "driver/nvidia/gpus", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (d == NULL) {
		fd_close(&fd);
		return;
	}
	for (int i = 0; i < INFORMATIONS_MAX && (entry = readdir(d)) != NULL; i++)
		if (entry->d_name[0] != '.')
			read_information(dirfd(d), entry->d_name, g);
	(void)closedir(d); /* of a descriptor that was only read */
}

/* --- the list --------------------------------------------------------------------------------- */

/* 1 there, 0 not. */
static int
try_node(const struct look *l, const struct node *n, size_t *closed, struct err *e)
{
	AUTO_FD int fd = -1;
	struct err why = { 0 };

	if (open_node(l, n, &fd, &why) == 0)
		return 1;
	*closed += why.code == ERR_DENIED;
	if (why.code == ERR_NOT_FOUND || why.code == ERR_DENIED)
		return 0;
	*e = why;
	return -1;
}

static int
look_around(const struct look *l, struct gpus *g, struct err *e)
{
	size_t ignored = 0; /* a closed control node is a missing one */

	for (uint32_t minor = 0; minor < GPUS_MAX; minor++) {
		const struct node n = device_node(minor);
		const int there = try_node(l, &n, &g->n_closed, e);

		if (there < 0)
			return -1;
		if (there > 0)
			g->at[g->n++].minor = minor;
	}
	for (int i = 0; i < GPU_CONTROLS; i++) {
		const struct node n = control_node((enum gpu_control)i);
		const int there = try_node(l, &n, &ignored, e);

		if (there < 0)
			return -1;
		g->controls |= (uint32_t)there << i;
	}
	return 0;
}

int
gpu_list(const struct gpu_places *places, struct gpus *ret, struct err *e)
{
	AUTO_FREE struct gpus *g = calloc(1, sizeof(*g));
	struct look l;
	int rc;

	if (g == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for the list of GPUs");
	if (look_open(places, &l, e) < 0)
		return -1;
	rc = look_around(&l, g, e);
	if (rc == 0 && g->n > 0)
		read_informations(l.proc_fd, g);
	look_close(&l);
	if (rc == 0)
		*ret = *g;
	return rc;
}

uint64_t
gpu_mask(const struct gpus *g)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < g->n; i++)
		mask |= UINT64_C(1) << g->at[i].minor;
	return mask;
}

/* --- memory ----------------------------------------------------------------------------------- */

/* "GPU-1f..., 81559" */
static void
read_memory_line(const char *line, size_t n, struct gpus *g)
{
	enum { MIB_MOST = 1 << 30 };
	const char *comma = memchr(line, ',', n);
	struct err ignored = { 0 };
	char number[16];
	size_t uuid_n, number_n;
	int64_t mib;

	if (comma == NULL)
		return;
	uuid_n = (size_t)(comma - line);
	comma++;
	comma += strspn(comma, " ");
	number_n = comma < line + n ? (size_t)(line + n - comma) : 0;
	if (number_n >= sizeof(number))
		return;
	memcpy(number, comma, number_n);
	number[number_n] = '\0';
	if (parse_i64(number, 1, MIB_MOST, &mib, &ignored) < 0)
		return;
	for (size_t i = 0; i < g->n; i++)
		if (uuid_n > 0 && strlen(g->at[i].uuid) == uuid_n &&
		    memcmp(g->at[i].uuid, line, uuid_n) == 0)
			g->at[i].memory_bytes = mib * MIB;
}

void
gpu_memory_read(const char *text, struct gpus *g)
{
	/* A line each, and no more than a device could have. */
	for (size_t i = 0; i < GPUS_MAX && *text != '\0'; i++) {
		size_t n = strcspn(text, "\n");

		read_memory_line(text, n, g);
		text += n + (text[n] == '\n');
	}
}
