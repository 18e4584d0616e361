/* SPDX-License-Identifier: Apache-2.0 */
/* How the parts of the daemon are, for /readyz?verbose: facts that others keep, put together. */
#include "api.h"
#include "daemon_internal.h"
#include "host.h"
#include "sandbox.h"
#include "scheduler.h"

#include <sys/statvfs.h>

/* Less than this and the database cannot make the room for its log that it needs to go on. */
static const int64_t disk_least_bytes = 256 * MIB;

static struct api_part *
add_part(struct api_health *h, const char *name)
{
	struct api_part *p = &h->parts[h->n++];

	REQUIRE(h->n <= API_PARTS_MAX);
	*p = (struct api_part){ .name = name, .ok = true };
	return p;
}

static void
add_figure(struct api_part *p, const char *name, int64_t value)
{
	REQUIRE(p->n_figures < API_FIGURES_MAX);
	p->figures[p->n_figures].name = name;
	p->figures[p->n_figures++].value = value;
}

static void
add_sandbox(struct api_health *h, uint32_t weak)
{
	struct api_part *p = add_part(h, "sandbox");
	const struct host_weakness *w;

	p->can_be_weak = true;
	for (size_t i = 0; (w = host_weakness(i)) != NULL; i++)
		if ((weak & w->bit) != 0 && p->n_weak < API_WEAK_MAX) {
			p->weak[p->n_weak] = w->word;
			p->fixes[p->n_weak++] = w->fix;
		}
	p->ok = (weak & SANDBOX_WEAK_REFUSED) == 0;
	if (!p->ok)
		p->why = "no job can start; run: wardian doctor";
}

static void
add_spawner(struct api_health *h, const struct sched *sched)
{
	struct api_part *p = add_part(h, "spawner");
	uint32_t weak = 0;

	if (sched != NULL && sched_weak(sched, &weak)) {
		add_sandbox(h, weak);
		return;
	}
	p->ok = false;
	p->why = "the spawner is not connected; jobs that run go on, no other starts";
	/* Nobody knows what the next one will say. */
	p = add_part(h, "sandbox");
	p->ok = false;
	p->why = "unknown until the spawner is connected";
}

static void
add_audit(struct api_health *h, struct audit_keep *audit)
{
	struct api_part *p = add_part(h, "audit");

	p->why = audit_keep_ill(audit);
	p->ok = p->why == NULL;
}

static void
add_disk(struct api_health *h, int dirfd)
{
	struct api_part *p = add_part(h, "disk");
	struct statvfs s;
	int64_t free_bytes;

	if (fstatvfs(dirfd, &s) < 0) {
		p->ok = false;
		p->why = "the disk of the state directory does not tell its room";
		return;
	}
	free_bytes = (int64_t)s.f_bavail * (int64_t)s.f_frsize;
	add_figure(p, "free_bytes", free_bytes);
	add_figure(p, "total_bytes", (int64_t)s.f_blocks * (int64_t)s.f_frsize);
	p->ok = free_bytes >= disk_least_bytes;
	if (!p->ok)
		p->why = "the disk of the state directory is nearly full; make room";
}

void
health_tell(const struct health *x, struct api_health *ret)
{
	*ret = (struct api_health){ .version = WARDIAN_VERSION };
	add_spawner(ret, x->sched);
	add_audit(ret, x->audit);
	add_disk(ret, x->state_dirfd);
	add_figure(add_part(ret, "gpus"), "count", x->n_gpus);
}
