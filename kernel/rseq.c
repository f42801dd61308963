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
 *	open the area				<--- no switch, no migration and
 *	  write the IDs, read rseq_cs		     no signal can come between
 *	close it				     here ...
 *	  |
 *	rseq_cs set? --no--> user mode
 *	  |
 *	read the descriptor, judge it,
 *	clear rseq_cs, change the instruction pointer
 *	  |
 *	user mode				<--- ... and here
 *
 * If an access faults, what is left is done with interrupts and page faults
 * enabled. A thread that is switched out in the middle of that gets a new note
 * if that makes a difference, and starts over.
 */

#include <linux/cpuhotplug.h>
#include <linux/entry-common.h>
#include <linux/nospec.h>
#include <linux/ptrace.h>
#include <linux/ratelimit.h>
#include <linux/rseq.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/syscalls.h>
#include <linux/tick.h>
#include <linux/topology.h>
#include <linux/uaccess.h>

#include "rseq.h"

#define CREATE_TRACE_POINTS
#include <trace/events/rseq.h>

DEFINE_PER_CPU_READ_MOSTLY(struct rseq_cpu_ids, rseq_cpu_ids);
DEFINE_STATIC_KEY_FALSE(rseq_observed);

/* These two are stored as one, and those two loaded. */
static_assert(offsetof(struct rseq, cpu_id) ==
	      offsetof(struct rseq, cpu_id_start) + sizeof(u32));
static_assert(offsetof(struct rseq_cs, flags) ==
	      offsetof(struct rseq_cs, version) + sizeof(u32));

static_assert(CONFIG_NR_CPUS <= RSEQ_CPU_UNKNOWN);
static_assert(NODES_SHIFT <= 16);

static bool rseq_is_extended(const struct rseq_state *state)
{
	return state->len != RSEQ_ORIGINAL_LEN;
}

static bool rseq_is_slow(const struct rseq_state *state)
{
	return rseq_is_extended(state) || IS_ENABLED(CONFIG_RSEQ_STATS);
}

/*
 * May current write its IDs on the fast path from now on? Registration and fork
 * say no; so does a tracer, for all threads. Only the thread itself says yes.
 */
static void rseq_settle(struct task_struct *t)
{
	if (rseq_is_slow(&t->rseq) || static_key_enabled(&rseq_observed))
		return;
	WRITE_ONCE(t->rseq.slow, false);
	/* Who comes to observe after this looks at all threads after it. */
	smp_mb();
	if (static_key_enabled(&rseq_observed))
		WRITE_ONCE(t->rseq.slow, true);
}

/**
 * rseq_observe - somebody wants to see when the IDs are written
 *
 * Context: may sleep.
 * Return: 0
 */
int rseq_observe(void)
{
	struct task_struct *p, *t;

	static_branch_inc(&rseq_observed);
	/* Pairs with the one in rseq_settle(). */
	smp_mb();
	/* Keeps out fork, which holds it for writing. */
	read_lock(&tasklist_lock);
	for_each_process_thread(p, t)
		WRITE_ONCE(t->rseq.slow, true);
	read_unlock(&tasklist_lock);
	return 0;
}

/**
 * rseq_unobserve - undo one rseq_observe()
 *
 * Context: may sleep.
 */
void rseq_unobserve(void)
{
	/* A thread finds out the next time that it is slow. */
	static_branch_dec(&rseq_observed);
}

/**
 * rseq_kill - send SIGSEGV to current, and say why
 * @verdict:	what was found
 * @regs:	its user registers
 * @sig:	the signal that is being delivered, or 0: if that is SIGSEGV
 *		itself, it cannot be handled or ignored any more
 *
 * Context: task context, interrupts enabled.
 */
void rseq_kill(enum rseq_verdict verdict, struct pt_regs *regs, int sig)
{
	static const char * const why[RSEQ_VERDICTS] = {
		[RSEQ_BAD_VERSION]	= "version of the descriptor is not 0",
		[RSEQ_BAD_FLAGS]	= "flags of the descriptor are not 0",
		[RSEQ_BAD_RANGE]	= "section is not in user space",
		[RSEQ_BAD_ABORT_IP]	= "abort address not in user space, or in the section",
		[RSEQ_BAD_SIGNATURE]	= "no signature before the abort address",
		[RSEQ_BAD_DESCRIPTOR]	= "descriptor is not in user space",
		[RSEQ_BAD_IDS]		= "an ID field was changed by user space",
		[RSEQ_BAD_SYSCALL]	= "system call in a critical section",
		[RSEQ_FAULT_AREA]	= "registered area cannot be accessed",
		[RSEQ_FAULT_DESCRIPTOR]	= "descriptor cannot be read",
		[RSEQ_FAULT_SIGNATURE]	= "memory before the abort address cannot be read",
	};
	struct rseq __user *area = current->rseq.area;
	u64 cs = 0;

	/* It dies already, and that may be why memory was not there. */
	if (fatal_signal_pending(current))
		return;

	if (get_user(cs, &area->rseq_cs))
		cs = 0;
	/* The one value that looks like an access that failed. */
	if (verdict == RSEQ_FAULT_AREA && cs == (u64)-EFAULT)
		verdict = RSEQ_BAD_DESCRIPTOR;
	rseq_count(RSEQ_EVENT_KILL);
	if (show_unhandled_signals)
		pr_info_ratelimited("rseq: %s[%d] killed: %s (area %lx descriptor %llx ip %lx)\n",
				    current->comm, task_pid_nr(current), why[verdict],
				    (unsigned long)area, cs, instruction_pointer(regs));
	force_sigsegv(sig);
}

/**
 * rseq_inspect - read and judge the descriptor of an armed critical section
 * @t:		current
 * @ip:		its user instruction pointer
 * @address:	what its rseq_cs says; any value
 * @cs:		the descriptor, filled in unless it cannot be read
 * @disarm:	clear rseq_cs, if the thread can go on
 *
 * All accesses are made within one window. The addresses are user space's
 * choice: none is used before it has been checked, not even speculatively.
 *
 * Context: task context; may fault and sleep, unless interrupts are disabled.
 * Return: the verdict; nothing has changed if the thread cannot go on.
 */
static __always_inline enum rseq_verdict
rseq_inspect(struct task_struct *t, unsigned long ip, u64 address,
	     struct rseq_cs *cs, bool disarm)
{
	struct rseq_cs __user *descriptor = (void __user *)(unsigned long)address;
	enum rseq_verdict verdict;
	u64 limit = TASK_SIZE;
	u32 found = 0;
	u64 head;

	if (unlikely(address >= limit))
		return address == (u64)-EFAULT ? RSEQ_FAULT_AREA :
						 RSEQ_BAD_DESCRIPTOR;

	verdict = RSEQ_FAULT_DESCRIPTOR;
	/* Where it can be had, a mask is cheaper than a barrier. */
	if (can_do_masked_user_access())
		descriptor = masked_user_access_begin(descriptor);
	else if (!user_access_begin(descriptor, sizeof(*descriptor)))
		return verdict;
	unsafe_get_user(head, (u64 __user *)&descriptor->version, fault);
	cs->version = lower_32_bits(head);
	cs->flags = upper_32_bits(head);
	unsafe_get_user(cs->start_ip, &descriptor->start_ip, fault);
	unsafe_get_user(cs->post_commit_offset,
			&descriptor->post_commit_offset, fault);
	unsafe_get_user(cs->abort_ip, &descriptor->abort_ip, fault);

	if (rseq_abort_ip_valid(cs->abort_ip, limit)) {
		unsigned long sig = cs->abort_ip - sizeof(u32);

		verdict = RSEQ_FAULT_SIGNATURE;
		sig = array_index_nospec(sig, (unsigned long)limit);
		unsafe_get_user(found, (u32 __user *)sig, fault);
	}

	verdict = rseq_judge(cs, ip, limit, found, t->rseq.sig);
	if (disarm && !rseq_failed(verdict))
		unsafe_put_user(0ULL, &t->rseq.area->rseq_cs, fault_area);
	user_access_end();
	return verdict;
fault_area:
	verdict = RSEQ_FAULT_AREA;
fault:
	user_access_end();
	return verdict;
}

static const char *rseq_cause(enum rseq_event cause)
{
	switch (cause) {
	case RSEQ_EVENT_ABORT_SIGNAL:
		return "signal";
	case RSEQ_EVENT_ABORT_MIGRATE:
		return "migration";
	default:
		return "preemption";
	}
}

/**
 * rseq_restart - restart an armed critical section, or disarm it
 * @t:		current
 * @regs:	its user registers
 * @address:	what its rseq_cs says; any value
 * @cause:	what to count an abort as
 *
 * Context: as rseq_inspect().
 * Return: the verdict. Nothing has changed if it is that the thread cannot
 * go on.
 */
static enum rseq_verdict rseq_restart(struct task_struct *t,
				      struct pt_regs *regs, u64 address,
				      enum rseq_event cause)
{
	unsigned long ip = instruction_pointer(regs);
	enum rseq_verdict verdict;
	struct rseq_cs cs;

	verdict = rseq_inspect(t, ip, address, &cs, true);
	if (verdict == RSEQ_CLEAR) {
		rseq_count(RSEQ_EVENT_CLEAR);
	} else if (verdict == RSEQ_ABORT) {
		rseq_count(cause);
		trace_rseq_ip_fixup(ip, address, &cs, rseq_cause(cause));
		instruction_pointer_set(regs, cs.abort_ip);
	}
	return verdict;
}

/**
 * struct rseq_exit - what one return to user mode has to do
 * @old_cpu_id:		what was known of the area before this exit; see
 *			struct rseq_state
 * @old_node_id:	likewise
 * @old_mm_cid:		likewise, without %RSEQ_IDS_MASK
 * @ids:		write the IDs?
 * @cpu_pair:		the IDs to write
 * @node_id:		likewise
 * @mm_cid:		likewise
 * @cs:			what rseq_cs says, or %RSEQ_CS_UNREAD
 * @cause:		what to count an abort as
 */
struct rseq_exit {
	u32			old_cpu_id;
	u32			old_node_id;
	u32			old_mm_cid;
	bool			ids;
	u64			cpu_pair;
	u32			node_id;
	u32			mm_cid;
	u64			cs;
	enum rseq_event		cause;
};

/*
 * Extended registration: write the IDs and read rseq_cs. What is there must be
 * what the kernel wrote last, as @exit says, unless it never did. Once that has
 * been seen to be so it is not asked again: a fault may come when half of the
 * IDs are written.
 */
static enum rseq_verdict rseq_replace_ids(struct rseq_exit *exit,
					  struct rseq __user *area, u64 *cs)
{
	u32 cpu_id_start, cpu_id, node_id, mm_cid;

	arch_rseq_access_begin();
	if (exit->old_cpu_id != RSEQ_CPU_UNKNOWN) {
		unsafe_get_user(cpu_id_start, &area->cpu_id_start, fault);
		unsafe_get_user(cpu_id, &area->cpu_id, fault);
		unsafe_get_user(node_id, &area->node_id, fault);
		unsafe_get_user(mm_cid, &area->mm_cid, fault);
		if (cpu_id_start != exit->old_cpu_id ||
		    cpu_id != exit->old_cpu_id ||
		    node_id != exit->old_node_id ||
		    mm_cid != exit->old_mm_cid)
			goto changed;
		exit->old_cpu_id = RSEQ_CPU_UNKNOWN;
	}
	unsafe_put_user(exit->cpu_pair, (u64 __user *)&area->cpu_id_start,
			fault);
	unsafe_put_user(exit->node_id, &area->node_id, fault);
	unsafe_put_user(exit->mm_cid, &area->mm_cid, fault);
	*cs = arch_rseq_read_section(&area->rseq_cs);
	arch_rseq_access_end();
	return RSEQ_CLEAR;
changed:
	arch_rseq_access_end();
	return RSEQ_BAD_IDS;
fault:
	arch_rseq_access_end();
	return RSEQ_FAULT_AREA;
}

/*
 * Take note of what is to be done, while the thread cannot leave this CPU. The
 * IDs are remembered before they are written: if the thread leaves before that,
 * the scheduler sees that they have changed.
 */
static void rseq_exit_prepare(struct rseq_exit *exit, struct task_struct *t,
			      bool ids)
{
	exit->old_cpu_id = t->rseq.cpu_id;
	exit->old_node_id = t->rseq.node_id;
	exit->old_mm_cid = t->rseq.mm_cid & ~RSEQ_IDS_MASK;
	exit->ids = ids;
	exit->cpu_pair = rseq_cpu_pair();
	exit->node_id = rseq_node_id();
	exit->mm_cid = task_mm_cid(t);
	exit->cs = RSEQ_CS_UNREAD;
	exit->cause = t->rseq.mm_cid & RSEQ_IDS_MIGRATED ?
		RSEQ_EVENT_ABORT_MIGRATE : RSEQ_EVENT_ABORT_PREEMPT;

	t->rseq.mm_cid &= ~RSEQ_IDS_MIGRATED;
	if (ids)
		t->rseq.cpu_id = lower_32_bits(exit->cpu_pair);
	if (ids && rseq_is_extended(&t->rseq)) {
		t->rseq.node_id = exit->node_id;
		t->rseq.mm_cid = exit->mm_cid;
	}
	arch_rseq_lower(t);
}

/*
 * After a failure it is not known what the area says. The thread may have a
 * handler for SIGSEGV and go on; its IDs are written at the next switch.
 */
static void rseq_forget_ids(struct task_struct *t)
{
	guard(preempt)();
	t->rseq.cpu_id = RSEQ_CPU_UNKNOWN;
	t->rseq.mm_cid |= RSEQ_IDS_STALE;
}

/* Do it. When memory was not there this can be called again. */
static enum rseq_verdict rseq_exit_try(struct rseq_exit *exit,
				       struct task_struct *t)
{
	u64 cs;

	if (exit->cs != RSEQ_CS_UNREAD) {
		cs = exit->cs;
	} else if (!exit->ids) {
		cs = rseq_read_section(t->rseq.area);
	} else if (!rseq_is_extended(&t->rseq)) {
		cs = rseq_write_ids(t->rseq.area, exit->cpu_pair,
				    exit->node_id, exit->mm_cid);
	} else {
		enum rseq_verdict verdict;

		verdict = rseq_replace_ids(exit, t->rseq.area, &cs);
		if (rseq_failed(verdict))
			return verdict;
	}

	if (exit->ids && cs != (u64)-EFAULT) {
		rseq_count(RSEQ_EVENT_IDS);
		trace_rseq_update(lower_32_bits(exit->cpu_pair), exit->node_id,
				  exit->mm_cid);
		exit->ids = false;
	}

	if (!cs)
		return RSEQ_CLEAR;
	return rseq_restart(t, task_pt_regs(t), cs, exit->cause);
}

/* With interrupts enabled: fault in what was not there, see to what is wrong. */
static void rseq_exit_again(struct rseq_exit *exit, struct task_struct *t,
			    enum rseq_verdict verdict)
{
	if (verdict >= RSEQ_FAULT_AREA)
		verdict = rseq_exit_try(exit, t);
	if (rseq_failed(verdict)) {
		rseq_forget_ids(t);
		rseq_kill(verdict, task_pt_regs(t), 0);
	}
}

/* Whoever looks at the tracepoints may want something done before user mode. */
static bool rseq_is_traced(void)
{
	return trace_rseq_update_enabled() || trace_rseq_ip_fixup_enabled();
}

/**
 * rseq_exit_slow - return to user mode, the less frequent cases
 * @ti_work:	thread flags, with one of %_TIF_RSEQ set
 * @cs:		what rseq_cs says, if the fast path has done all that comes
 *		before; %RSEQ_CS_UNREAD if it did not try, -EFAULT if it failed
 *
 * See rseq_exit_to_user_mode().
 *
 * Return: the thread flags as they are on return, but for %_TIF_RSEQ.
 */
unsigned long rseq_exit_slow(unsigned long ti_work, u64 cs)
{
	struct task_struct *t = current;

	do {
		/* The IDs are noted when it was switched out since. */
		bool granted = ti_work & _TIF_RSEQ_IDS && rseq_slice_granted(t);
		enum rseq_verdict verdict;
		struct rseq_exit exit;

		rseq_exit_prepare(&exit, t, ti_work & _TIF_RSEQ_IDS);
		rseq_count(RSEQ_EVENT_EXIT);
		if (cs < TASK_SIZE) {
			exit.ids = false;
			exit.cs = cs;
		}

		/* A tracer may set it meanwhile. */
		if (data_race(t->rseq.slow))
			rseq_settle(t);
		/* Where it is known to fault, do not try without. */
		verdict = RSEQ_FAULT_AREA;
		if (exit.old_cpu_id != RSEQ_CPU_UNKNOWN && cs != (u64)-EFAULT) {
			verdict = rseq_exit_try(&exit, t);
			if (verdict >= RSEQ_FAULT_AREA)
				rseq_count(RSEQ_EVENT_FAULT);
		}
		if (rseq_failed(verdict) || granted) {
			local_irq_enable_exit_to_user(ti_work);
			rseq_exit_again(&exit, t, verdict);
			if (granted)
				rseq_slice_revoke(t);
			local_irq_disable_exit_to_user();
			tick_nohz_user_enter_prepare();
		} else if (!rseq_is_traced()) {
			break;
		}

		ti_work = read_thread_flags();
		if (ti_work & EXIT_TO_USER_MODE_WORK)
			ti_work = exit_to_user_mode_loop(task_pt_regs(t),
							 ti_work);
		cs = RSEQ_CS_UNREAD;
	} while (ti_work & _TIF_RSEQ);

	return ti_work;
}

/**
 * rseq_ids_written - tell whom it concerns that signal delivery wrote the IDs
 * @cpu_id:	what was written
 * @node_id:	likewise
 * @mm_cid:	likewise
 */
void rseq_ids_written(u32 cpu_id, u32 node_id, u32 mm_cid)
{
	rseq_count(RSEQ_EVENT_IDS);
	trace_rseq_update(cpu_id, node_id, mm_cid);
}

/**
 * __rseq_signal_deliver - restart a critical section that a signal interrupts
 * @sig:	signal number
 * @regs:	user registers of current
 * @address:	what its rseq_cs says, not 0
 *
 * See rseq_signal_deliver().
 */
void __rseq_signal_deliver(int sig, struct pt_regs *regs, u64 address)
{
	enum rseq_verdict verdict;

	verdict = rseq_restart(current, regs, address, RSEQ_EVENT_ABORT_SIGNAL);
	if (rseq_failed(verdict))
		rseq_kill(verdict, regs, sig);
}

/**
 * rseq_check_syscall - what debugging checks at a system call
 * @t:		current, which has a registration
 * @regs:	its user registers
 *
 * Context: task context; may fault and sleep.
 * Return: the verdict, nothing has changed.
 */
enum rseq_verdict rseq_check_syscall(struct task_struct *t,
				     struct pt_regs *regs)
{
	u64 address = rseq_read_section(t->rseq.area);
	enum rseq_verdict verdict;
	struct rseq_cs cs;

	if (!address)
		return RSEQ_CLEAR;
	/* The last byte of the instruction that made the call. */
	verdict = rseq_inspect(t, instruction_pointer(regs) - 1, address, &cs,
			       false);
	return verdict == RSEQ_ABORT ? RSEQ_BAD_SYSCALL : verdict;
}

/**
 * rseq_membarrier_ipi - restart the critical section of the thread on this CPU
 * @caller:	the thread that asked for the membarrier, which is left alone
 *
 * A thread that is in the kernel just now takes note as well: it may have got
 * there by an interrupt or a page fault in a critical section.
 *
 * Context: interrupt.
 */
void rseq_membarrier_ipi(void *caller)
{
	struct task_struct *t = caller;

	/* What the caller wrote is seen by the section when it restarts. */
	smp_mb();

	/* A thread of another process may have got the CPU by now. */
	if (current == t || current->mm != t->mm || !current->rseq.area)
		return;
	/* A note of the IDs would say that its time slice extension is over. */
	if (!rseq_slice_granted(current))
		rseq_raise(current);
	else if (!(read_thread_flags() & _TIF_RSEQ_IDS))
		arch_rseq_raise_section(current);
}

/**
 * rseq_ptrace_get - PTRACE_GET_RSEQ_CONFIGURATION
 * @t:		the tracee, stopped
 * @size:	size of what @data points to, in bytes
 * @data:	a struct ptrace_rseq_configuration of the tracer
 *
 * Return: the full size of the structure, or -EFAULT.
 */
long rseq_ptrace_get(struct task_struct *t, unsigned long size,
		     void __user *data)
{
	struct ptrace_rseq_configuration conf = {
		.rseq_abi_pointer	= (unsigned long)t->rseq.area,
		.rseq_abi_size		= t->rseq.len,
		.signature		= t->rseq.sig,
	};

	if (copy_to_user(data, &conf, min(size, sizeof(conf))))
		return -EFAULT;
	return sizeof(conf);
}

/* What the address of a struct rseq must be a multiple of. */
static unsigned long rseq_align(u32 len)
{
	return len == RSEQ_ORIGINAL_LEN ? RSEQ_ORIGINAL_LEN : RSEQ_ALIGN;
}

static int rseq_register(struct rseq __user *area, u32 len, int flags, u32 sig)
{
	struct task_struct *t = current;
	u32 slice_flags;
	u8 slice;

	if (t->rseq.area) {
		if (t->rseq.area != area || t->rseq.len != len)
			return -EINVAL;
		return t->rseq.sig == sig ? -EBUSY : -EPERM;
	}

	if (len < RSEQ_ORIGINAL_LEN)
		return -EINVAL;
	if (len > RSEQ_ORIGINAL_LEN && len < RSEQ_FEATURE_SIZE)
		return -EINVAL;
	if (!IS_ALIGNED((unsigned long)area, rseq_align(len)))
		return -EINVAL;

	slice = rseq_slice_default(len, flags);
	slice_flags = rseq_slice_flags(slice);
	/* 0 stands for no registration, even if memory is mapped there. */
	if (!area || !user_access_begin(area, len))
		return -EFAULT;
	/* The thread is not in a critical section, whatever was left there. */
	unsafe_put_user(0ULL, &area->rseq_cs, fault);
	if (len > RSEQ_ORIGINAL_LEN) {
		unsafe_put_user(slice_flags, &area->flags, fault);
		unsafe_put_user(0, &area->slice_ctrl.all, fault);
	}
	user_access_end();

	/* No guard() for the whole function: "fault" would be in its scope. */
	scoped_guard(preempt) {
		t->rseq = (struct rseq_state){
			.area		= area,
			.len		= len,
			.sig		= sig,
			.mm_cid		= RSEQ_IDS_STALE,
			.cpu_id		= RSEQ_CPU_UNKNOWN,
			.tracked	= true,
			.segment	= t->rseq.segment,
			.slow		= true,
			.slice		= slice,
		};
		/* The exit to user mode writes the IDs. */
		arch_rseq_raise_ids(t);
	}
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

static int rseq_unregister(struct rseq __user *area, u32 len, u32 sig)
{
	struct rseq_state *state = &current->rseq;

	if (!state->area || state->area != area || state->len != len)
		return -EINVAL;
	if (state->sig != sig)
		return -EPERM;

	if (!user_access_begin(area, len))
		return -EFAULT;
	unsafe_put_user(0, &area->cpu_id_start, fault);
	unsafe_put_user(RSEQ_CPU_ID_UNINITIALIZED, &area->cpu_id, fault);
	unsafe_put_user(0, &area->node_id, fault);
	unsafe_put_user(0, &area->mm_cid, fault);
	if (len > RSEQ_ORIGINAL_LEN)
		unsafe_put_user(0, &area->flags, fault);
	user_access_end();

	rseq_reset(current);
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

/**
 * sys_rseq - register the calling thread's struct rseq, or undo that
 * @area:	user address of the struct, aligned as the auxiliary vector
 *		says (to 32 bytes for @len 32)
 * @len:	its size in bytes: 32, the original size, which also asks for
 *		the original behaviour; or at least AT_RSEQ_FEATURE_SIZE
 * @flags:	0, RSEQ_FLAG_SLICE_EXT_DEFAULT_ON, or RSEQ_FLAG_UNREGISTER
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
	case RSEQ_FLAG_SLICE_EXT_DEFAULT_ON:
		return rseq_register(area, len, flags, sig);
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
		.node_id	= max(cpu_to_node(cpu), 0),
	};
	return 0;
}

/* Early: the first program may be started by a driver, and be registered. */
static int __init rseq_init(void)
{
	int ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "rseq:online",
				    rseq_cpu_online, NULL);

	/* Without it every thread would be told that it runs on CPU 0. */
	if (ret < 0)
		panic("rseq: cannot set up the IDs of CPUs: %d\n", ret);
	return 0;
}
early_initcall(rseq_init);
