/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_internal.h"
#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int
account_find(const struct conf *c, struct account *ret, struct err *e)
{
	struct passwd pw, *found = NULL;
	char text[4096];
	int rc;

	if (geteuid() != 0) {
		*ret = (struct account){ .change = false, .uid = geteuid(), .gid = getegid() };
		return 0;
	}
	rc = getpwnam_r(c->state_user, &pw, text, sizeof(text), &found);
	if (found == NULL)
		return err_set(e, ERR_CONF,
		    "the user '%s' of setting state.user does not exist%s; make it with: adduser "
		    "--system --group --no-create-home %s",
		    c->state_user, rc == 0 ? "" : " or cannot be read", c->state_user);
	if (pw.pw_uid == 0)
		return err_set(e, ERR_CONF,
		    "setting state.user names root; name an account without privileges");
	*ret = (struct account){ .change = true, .uid = pw.pw_uid, .gid = pw.pw_gid };
	return 0;
}

/* The raw calls: glibc has no wrapper, and libcap would be a dependency for ten lines. */
static int
drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(e, errno, "clear the ambient capabilities");
	if (syscall(SYS_capset, &head, none) < 0)
		return err_sys(e, errno, "give up all capabilities");
	if (syscall(SYS_capget, &head, none) < 0 || none[0].permitted != 0 ||
	    none[1].permitted != 0)
		return err_set(e, ERR_SYSTEM, "capabilities are still there after giving them up");
	return 0;
}

int
account_become(const struct account *a, struct err *e)
{
	if (a->change) {
		if (setgroups(0, NULL) < 0 || setresgid(a->gid, a->gid, a->gid) < 0 ||
		    setresuid(a->uid, a->uid, a->uid) < 0)
			return err_sys(e, errno, "become user %d", (int)a->uid);
		if (setresuid(0, 0, 0) == 0)
			return err_set(
			    e, ERR_SYSTEM, "root could be taken back after giving it up");
	}
	if (drop_capabilities(e) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return err_sys(e, errno, "set no_new_privs");
	/* Keys and tenants' data pass through this memory: no core, no ptrace by the same user. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "become undumpable");
	return sandbox_lock_daemon(e); /* the database, started later, inherits it */
}
