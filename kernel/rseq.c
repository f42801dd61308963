// SPDX-License-Identifier: GPL-2.0
/*
 * Restartable sequences
 *
 * A thread shares a struct rseq with the kernel. The kernel tells in it which
 * CPU the thread runs on. The thread tells in it when it is about to run a
 * critical section: a few instructions that end in one store. When the thread
 * is preempted, migrated or takes a signal within these, the kernel resumes it
 * at the abort address of the section instead.
 *
 * The scheduler only leaves a note for that (see <linux/rseq.h>). The work is
 * done when the thread returns to user mode:
 *
 *	interrupts off, all other work done
 *	a note? --no--> user mode
 *	  |
 *	lower it
 *	disable page faults			<--- no switch, no migration and
 *	open the area				     no signal can come between
 *	  write the IDs, read rseq_cs		     here ...
 *	close it
 *	  |
 *	rseq_cs set? --no--> user mode
 *	  |
 *	read the descriptor, judge it,
 *	clear rseq_cs, change the instruction pointer
 *	  |
 *	user mode				<--- ... and here
 *
 * If an access faults, all of it is done again with interrupts and page faults
 * enabled. A thread that is switched out in the middle of that gets a new note
 * if that makes a difference, and starts over.
 */

#include <linux/cpuhotplug.h>
#include <linux/entry-common.h>
#include <linux/ptrace.h>
#include <linux/rseq.h>
#include <linux/sched/signal.h>
#include <linux/syscalls.h>
#include <linux/topology.h>
#include <linux/uaccess.h>

#include "rseq.h"

DEFINE_PER_CPU_READ_MOSTLY(struct rseq_cpu_ids, rseq_cpu_ids);

/* The IDs are stored in pairs, so the fields of a pair must be neighbours. */
static_assert(offsetof(struct rseq, cpu_id) ==
	      offsetof(struct rseq, cpu_id_start) + sizeof(u32));
static_assert(offsetof(struct rseq, mm_cid) ==
	      offsetof(struct rseq, node_id) + sizeof(u32));

static_assert(NR_CPUS <= RSEQ_CPU_UNKNOWN);
static_assert(MAX_NUMNODES <= U16_MAX + 1);

static bool rseq_is_extended(const struct rseq_state *state)
{
	return state->len != RSEQ_ORIGINAL_LEN;
}

/**
 * rseq_restart - restart an armed critical section, or disarm it
 * @t:		current
 * @regs:	its user registers
 * @address:	what its rseq_cs says; any value
 *
 * Context: task context; may fault and sleep, unless page faults are disabled.
 * Return: 0, -EFAULT if memory could not be accessed (nothing has changed
 * then), -EINVAL if the descriptor is invalid.
 */
static int rseq_restart(struct task_struct *t, struct pt_regs *regs,
			u64 address)
{
	enum rseq_verdict verdict;
	u64 limit = TASK_SIZE;
	struct rseq_cs cs;
	u32 found = 0;

	if (address >= limit)
		return -EINVAL;
	if (copy_from_user(&cs, (void __user *)(unsigned long)address,
			   sizeof(cs)))
		return -EFAULT;
	if (rseq_abort_ip_valid(cs.abort_ip, limit)) {
		unsigned long sig = cs.abort_ip - sizeof(u32);

		if (get_user(found, (u32 __user *)sig))
			return -EFAULT;
	}

	verdict = rseq_judge(&cs, instruction_pointer(regs), limit, found,
			     t->rseq.sig);
	if (verdict != RSEQ_CLEAR && verdict != RSEQ_ABORT)
		return -EINVAL;

	if (put_user(0ULL, &t->rseq.area->rseq_cs))
		return -EFAULT;
	if (verdict == RSEQ_ABORT)
		instruction_pointer_set(regs, cs.abort_ip);
	return 0;
}

/*
 * Extended registration: write the IDs and read rseq_cs. What is there must be
 * what the kernel wrote last, as @old says, unless it never did.
 */
static int rseq_replace_ids(const struct rseq_state *old, u64 cpu_pair,
			    u64 node_mm_cid, u64 *cs)
{
	struct rseq __user *area = old->area;
	u32 cpu_id_start, cpu_id, node_id, mm_cid;

	arch_rseq_access_begin();
	if (old->cpu_id != RSEQ_CPU_UNKNOWN) {
		unsafe_get_user(cpu_id_start, &area->cpu_id_start, fault);
		unsafe_get_user(cpu_id, &area->cpu_id, fault);
		unsafe_get_user(node_id, &area->node_id, fault);
		unsafe_get_user(mm_cid, &area->mm_cid, fault);
		if (cpu_id_start != old->cpu_id || cpu_id != old->cpu_id ||
		    node_id != old->node_id ||
		    mm_cid != (old->mm_cid & ~RSEQ_IDS_STALE))
			goto changed;
	}
	unsafe_put_user(cpu_pair, (u64 __user *)&area->cpu_id_start, fault);
	unsafe_put_user(node_mm_cid, (u64 __user *)&area->node_id, fault);
	*cs = arch_rseq_read_section(&area->rseq_cs);
	arch_rseq_access_end();
	return 0;
changed:
	arch_rseq_access_end();
	return -EINVAL;
fault:
	arch_rseq_access_end();
	return -EFAULT;
}

/**
 * struct rseq_exit - what one return to user mode has to do
 * @old:		the state before this exit
 * @ids:		write the IDs?
 * @cpu_pair:		the IDs to write
 * @node_mm_cid:	likewise
 */
struct rseq_exit {
	struct rseq_state	old;
	bool			ids;
	u64			cpu_pair;
	u64			node_mm_cid;
};

/*
 * Take note of what is to be done, while the thread cannot leave this CPU. The
 * IDs are remembered before they are written: if the thread leaves before that,
 * the scheduler sees that they have changed.
 */
static void rseq_exit_prepare(struct rseq_exit *exit, struct task_struct *t,
			      bool ids)
{
	exit->old = t->rseq;
	exit->ids = ids;
	exit->cpu_pair = rseq_cpu_pair();
	exit->node_mm_cid = rseq_node_mm_cid(t);

	if (ids && rseq_is_extended(&t->rseq)) {
		t->rseq.cpu_id = lower_32_bits(exit->cpu_pair);
		t->rseq.node_id = lower_32_bits(exit->node_mm_cid);
		t->rseq.mm_cid = upper_32_bits(exit->node_mm_cid);
	}
	arch_rseq_lower(t);
}

/* Do it. After an error this can be called again. */
static int rseq_exit_try(struct rseq_exit *exit, struct task_struct *t)
{
	u64 cs;

	if (!exit->ids) {
		cs = rseq_read_section(t->rseq.area);
	} else if (!rseq_is_extended(&t->rseq)) {
		cs = rseq_write_ids(t->rseq.area, exit->cpu_pair,
				    exit->node_mm_cid);
	} else {
		int ret = rseq_replace_ids(&exit->old, exit->cpu_pair,
					   exit->node_mm_cid, &cs);

		if (ret)
			return ret;
		/* Another call must not expect the old ones. */
		exit->ids = false;
	}

	return cs ? rseq_restart(t, task_pt_regs(t), cs) : 0;
}

/**
 * rseq_exit_slow - return to user mode, the less frequent cases
 * @ti_work:	thread flags, with one of %_TIF_RSEQ set
 *
 * See rseq_exit_to_user_mode().
 */
unsigned long rseq_exit_slow(unsigned long ti_work)
{
	struct task_struct *t = current;
	struct rseq_exit exit;
	int ret;

	do {
		rseq_exit_prepare(&exit, t, ti_work & _TIF_RSEQ_IDS);

		pagefault_disable();
		ret = rseq_exit_try(&exit, t);
		pagefault_enable();
		if (!ret)
			break;

		local_irq_enable_exit_to_user(ti_work);
		if (rseq_exit_try(&exit, t))
			force_sig(SIGSEGV);
		local_irq_disable_exit_to_user();

		ti_work = read_thread_flags();
		if (ti_work & EXIT_TO_USER_MODE_WORK)
			ti_work = exit_to_user_mode_loop(task_pt_regs(t),
							 ti_work);
	} while (ti_work & _TIF_RSEQ);

	return ti_work;
}

/**
 * __rseq_signal_deliver - restart a critical section that a signal interrupts
 * @sig:	signal number
 * @regs:	user registers of current, which has a registration
 *
 * See rseq_signal_deliver(). If the thread is migrated here, the IDs that this
 * writes are wrong, and are put right when it returns to user mode.
 */
void __rseq_signal_deliver(int sig, struct pt_regs *regs)
{
	struct task_struct *t = current;
	u64 cs;

	if (rseq_is_extended(&t->rseq))
		cs = rseq_read_section(t->rseq.area);
	else
		cs = rseq_write_ids(t->rseq.area, rseq_cpu_pair(),
				    rseq_node_mm_cid(t));

	if (unlikely(cs) && rseq_restart(t, regs, cs))
		force_sigsegv(sig);
}

static int rseq_register(struct rseq __user *area, u32 len, u32 sig)
{
	struct task_struct *t = current;

	if (t->rseq.area) {
		if (t->rseq.area != area || t->rseq.len != len)
			return -EINVAL;
		return t->rseq.sig == sig ? -EBUSY : -EPERM;
	}

	if (len < RSEQ_ORIGINAL_LEN)
		return -EINVAL;
	if (len > RSEQ_ORIGINAL_LEN && len < offsetof(struct rseq, end))
		return -EINVAL;
	if (!IS_ALIGNED((unsigned long)area, len == RSEQ_ORIGINAL_LEN ?
			RSEQ_ORIGINAL_LEN : __alignof__(*area)))
		return -EINVAL;
	if (!access_ok(area, len))
		return -EFAULT;

	/* The thread is not in a critical section, whatever was left there. */
	if (put_user(0ULL, &area->rseq_cs))
		return -EFAULT;

	guard(preempt)();
	t->rseq = (struct rseq_state){
		.area	= area,
		.len	= len,
		.sig	= sig,
		.mm_cid	= RSEQ_IDS_STALE,
		.cpu_id	= RSEQ_CPU_UNKNOWN,
	};
	/* The exit to user mode writes the IDs. */
	arch_rseq_raise_ids(t);
	return 0;
}

static int rseq_unregister(struct rseq __user *area, u32 len, u32 sig)
{
	struct rseq_state *state = &current->rseq;

	if (!state->area || state->area != area || state->len != len)
		return -EINVAL;
	if (state->sig != sig)
		return -EPERM;

	arch_rseq_access_begin();
	unsafe_put_user(0, &area->cpu_id_start, fault);
	unsafe_put_user(RSEQ_CPU_ID_UNINITIALIZED, &area->cpu_id, fault);
	unsafe_put_user(0, &area->node_id, fault);
	unsafe_put_user(0, &area->mm_cid, fault);
	arch_rseq_access_end();

	rseq_reset(current);
	return 0;
fault:
	arch_rseq_access_end();
	return -EFAULT;
}

/**
 * sys_rseq - register the calling thread's struct rseq, or undo that
 * @area:	user address of the struct, aligned as the auxiliary vector
 *		says (to 32 bytes for @len 32)
 * @len:	its size in bytes: 32, the original size, which also asks for
 *		the original behaviour; or at least AT_RSEQ_FEATURE_SIZE
 * @flags:	0, or RSEQ_FLAG_UNREGISTER
 * @sig:	the signature that precedes each abort handler
 *
 * Return: 0; -EINVAL for bad arguments, for another @area or @len than the
 * registered one, or when there is nothing to unregister; -EPERM for another
 * @sig than the registered one; -EBUSY if the same is registered already;
 * -EFAULT if @area is not writable user memory.
 */
SYSCALL_DEFINE4(rseq, struct rseq __user *, area, u32, len, int, flags,
		u32, sig)
{
	switch (flags) {
	case 0:
		return rseq_register(area, len, sig);
	case RSEQ_FLAG_UNREGISTER:
		return rseq_unregister(area, len, sig);
	default:
		return -EINVAL;
	}
}

static int rseq_cpu_online(unsigned int cpu)
{
	per_cpu(rseq_cpu_ids, cpu) = (struct rseq_cpu_ids){
		.cpu_pair	= (u64)cpu << 32 | cpu,
		.node		= (u32)cpu_to_node(cpu),
	};
	return 0;
}

/* Early: the first program may be started by a driver, and be registered. */
static int __init rseq_init(void)
{
	int ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "rseq:online",
				    rseq_cpu_online, NULL);

	return ret < 0 ? ret : 0;
}
early_initcall(rseq_init);
