/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of restartable sequences: one registered thread on two CPUs, what
 * interrupts it, and what the kernel does about that. It follows
 * include/linux/rseq.h and kernel/rseq.c function by function, and each step
 * here is one that nothing can divide there.
 *
 * The thread runs a critical section, twice, and makes a system call after it
 * with the section still armed. At any instruction, and at any step of the
 * kernel with interrupts enabled, it can be switched out, be migrated, get
 * another concurrency id, or take the interrupt of a membarrier. A signal can
 * be sent at any time from another CPU, and any access to user memory can
 * fault. How often each of these happens is bounded: then the thread must
 * finish.
 *
 * EXTENDED selects the extended registration. Each further name that can be
 * defined makes one thing wrong (see run.sh), and then a claim must fail.
 */

#ifdef EXTENDED
#define extended	true
#else
#define extended	false
#endif

/* How often it can happen. */
#ifndef SWITCHES
#define SWITCHES	2
#endif
#ifndef ENTRIES
#define ENTRIES		2	/* by an interrupt in user mode */
#endif
#ifndef FAULTS
#define FAULTS		1
#endif

/* Thread flags: one word, to which other CPUs write as well. */
#define SIGNAL		1
#define SECTION		2
#define IDS		4
#define NOTES		(SECTION | IDS)

/* In the fields of the area, and in the kernel's memory of them. */
#define UNKNOWN		2	/* what the kernel does not know */
#define CACHED		3	/* what the thread stores over cpu_id_start */

/* Instructions of the thread: the section is those from CHECK to COMMIT. */
mtype = { START, ARM, CHECK, COMMIT, CACHE, CALL, ABORT, HANDLER, RETURN };

#define inside(ip)	((ip) == CHECK || (ip) == COMMIT)

/* What the other CPUs see of the thread. */
byte flags = IDS;		/* just registered */
bool on_cpu = true;
byte cpu;
bool queued;			/* a signal */
bool ipi[2];			/* of a membarrier */

/* The critical section, and what a membarrier is judged by. */
bool in_section;		/* armed, and inside of the range */
bool marked;			/* ... in the one of before the membarrier */
bool returned;			/* the membarrier has */

inline leave_section()
{
	in_section = false;
	marked = false
}

/*
 * The thread's own CPU raises and lowers its notes by a store of one byte,
 * which leaves alone what other CPUs do to the rest of the word.
 */
#ifdef WORD_STORE
inline raise(note)
{
	word = flags;
	flags = (word & ~NOTES) | note
}
#else
inline raise(note)
{
	flags = (flags & ~NOTES) | note
}
#endif

/* rseq_raise() */
inline rseq_raise()
{
	if
	:: stale || known_cid != cid -> raise(IDS)
	:: else -> raise(SECTION)
	fi
}

/* rseq_membarrier_ipi(), on the CPU of the thread */
inline take_ipi(user_mode)
{
	if
	:: ipi[cpu] ->
#ifdef BARRIER_SEES_USER_MODE_ONLY
		if
		:: user_mode -> rseq_raise()
		:: else
		fi;
#else
		rseq_raise();
#endif
		look_due = true;
		rewrite_due = !extended;
		ipi[cpu] = false
	:: else
	fi
}

/*
 * The thread loses its CPU and gets one again, with rseq_sched_migrate() and
 * rseq_sched_switch_to(). Whatever the other threads of the program do in
 * between would be lost if the section went on.
 */
inline switch_out_and_in()
{
	atomic {
		switches--;
		interrupted = interrupted || in_section;
		on_cpu = false
	}
	atomic {
		if
		:: cid = 1 - cid
		:: skip
		fi;
		if
		:: cpu = 1 - cpu;
#ifndef MIGRATION_UNNOTICED
			stale = true
#endif
		:: skip
		fi;
		look_due = look_due || !in_call || stale || known_cid != cid;
		on_cpu = true
	}
	if
	:: stale || known_cid != cid -> raise(IDS)
#ifndef SWITCH_UNNOTICED
	:: !stale && known_cid == cid && !in_call -> raise(SECTION)
#endif
	:: else
	fi;
	rewrite_due = !extended
}

/* Between two steps with interrupts enabled. */
inline interrupts()
{
	atomic { take_ipi(false) }
	if
	:: switches -> switch_out_and_in()
	:: skip
	fi
}

/*
 * An access to user memory. With page faults enabled the memory is brought in,
 * and the thread can lose its CPU for that.
 */
inline access()
{
	if
	:: !can_wait && faults -> faults--; failed = true
	:: can_wait -> interrupts()
	:: !can_wait
	fi
}

/*
 * rseq_write_ids() and rseq_replace_ids(): two pairs of IDs, of each of which
 * one is modelled. In an extended registration the kernel first compares what
 * is there with what it wrote last.
 */
inline write_ids(new_cpu, new_cid, compare)
{
	if
	:: compare && extended && old_cpu != UNKNOWN ->
		access();
		if
		:: failed
		:: else ->
			assert(area_cpu == old_cpu && area_cid == old_cid);
#ifndef COMPARED_AGAIN
			old_cpu = UNKNOWN
#endif
		fi
	:: else
	fi;
	if
	:: failed
	:: else -> access()
	fi;
	if
	:: failed
	:: else -> area_cpu = new_cpu; access()
	fi;
	if
	:: failed
	:: else -> area_cid = new_cid
	fi
}

inline read_section()
{
	if
	:: failed
	:: else -> access()
	fi;
	if
	:: failed
	:: else -> seen = armed; look_due = false
	fi
}

/* rseq_restart(): the descriptor with the signature, then rseq_cs */
inline restart()
{
	if
	:: failed || !seen
	:: else -> access();
		if
		:: failed
		:: else -> access()
		fi;
		if
		:: failed
		:: else ->
#ifndef NEVER_DISARMED
			armed = false;
#endif
			if
			:: inside(ip) -> ip = ABORT; leave_section()
			:: else
			fi
		fi
	fi
}

/* rseq_exit_try() */
inline exit_try()
{
	failed = false;
	seen = false;
	if
	:: write -> write_ids(exit_cpu, exit_cid, true)
	:: else
	fi;
	read_section();
	if
	:: failed
	:: else -> write = false
	fi;
	restart()
}

inline remember()
{
	if
	:: extended && work & IDS ->
		known_cpu = exit_cpu;
		known_cid = exit_cid;
		stale = false
	:: else
	fi
}

/* What is not used any more should not tell states apart. */
inline forget()
{
	work = 0;
	exit_cpu = 0;
	exit_cid = 0;
	old_cpu = 0;
	old_cid = 0;
	seen = false;
	failed = false;
	write = false
}

active proctype thread()
{
	/* The registered area, as memory has it. */
	byte area_cpu = CACHED, area_cid = CACHED;
	bool armed;
	/* struct rseq_state */
	byte known_cpu = UNKNOWN, known_cid = UNKNOWN;
	bool stale = true;
	/* User registers, and what the signal frame has of them. */
	mtype ip = START, saved_ip = START;
	byte chosen;
	/* In the kernel. */
	byte work, exit_cpu, exit_cid, old_cpu, old_cid;
	byte cid;
	bool in_call = true;	/* entered by a system call: rseq() itself */
	bool seen, failed, write, slow, can_wait;
#ifdef WORD_STORE
	byte word;
#endif
	/* What is to come. */
	byte switches = SWITCHES, entries = ENTRIES, faults = FAULTS;
	byte rounds = 2;
	/* For the claims. */
	bool interrupted;	/* in the section that is armed */
	bool look_due = true;	/* since the last time that a note was due */
	bool rewrite_due;	/* of an original registration */
	bool id_is_stale, overwritten_id_stays, armed_in_a_handler;
	bool ran_interrupted, ran_barred, signal_is_lost, note_is_lost;

	goto exit_to_user_mode;

user_mode:
	skip;
	atomic {
		forget();
		slow = false;
		can_wait = false;

		/* What has to be so before any instruction. */
		id_is_stale = area_cid != cid ||
			      (area_cpu != cpu && area_cpu != CACHED);
		assert(!id_is_stale);
		overwritten_id_stays = rewrite_due && area_cpu == CACHED;
		assert(!overwritten_id_stays);
		armed_in_a_handler = armed && (ip == HANDLER || ip == ABORT);
		assert(!armed_in_a_handler);
		ran_interrupted = inside(ip) && interrupted;
		assert(!ran_interrupted);
		ran_barred = inside(ip) && marked && returned;
		assert(!ran_barred);
		signal_is_lost = queued && !(flags & SIGNAL);
		assert(!signal_is_lost);
		note_is_lost = look_due;
		assert(!note_is_lost);

		if
		:: ipi[cpu] ->
			in_call = false;
			take_ipi(true);
			goto exit_to_user_mode
		:: entries ->
			entries--;
			in_call = false;
			goto exit_to_user_mode
		:: flags & SIGNAL ->
			in_call = false;
			goto exit_to_user_mode
		:: ip == START ->
			chosen = area_cpu;
			ip = ARM
		:: ip == ARM ->
			armed = true;
			interrupted = false;
			in_section = true;
			ip = CHECK
		:: ip == CHECK && area_cpu == chosen ->
			chosen = 0;
			ip = COMMIT
		:: ip == CHECK && area_cpu != chosen ->
			leave_section();
			ip = START
		:: ip == COMMIT ->
			leave_section();
			ip = (extended -> CALL : CACHE)
		:: ip == CACHE ->
			/* An original registration permits that. */
			area_cpu = CACHED;
			rewrite_due = false;
			ip = CALL
		:: ip == CALL ->
			rounds--;
			if
			:: rounds == 0 -> goto done
			:: else
			fi;
			in_call = true;
			ip = START;
			goto exit_to_user_mode
		:: ip == ABORT ->
			ip = START
		:: ip == HANDLER ->
			/* rt_sigreturn(), which forgets the call before. */
			in_call = false;
			ip = saved_ip;
			saved_ip = START;
			goto exit_to_user_mode
		fi
	}
	goto user_mode;

	/* The handler of the interrupt or call; exit_to_user_mode_loop(). */
exit_to_user_mode:
	atomic {
		forget();
		can_wait = true
	}
	interrupts();
	work = flags;
#ifdef TESTED_WITH_INTERRUPTS
	interrupts();
#endif
	if
	:: work & SIGNAL -> goto deliver_signal
	:: else
	fi;

	/* Interrupts are disabled. What other CPUs do meanwhile can wait. */
	atomic {
		can_wait = false;
		/* rseq_exit_to_user_mode() */
		if
		:: !(work & NOTES) -> goto user_mode
		:: else
		fi;
		if
		:: slow || (extended && work & IDS)
		:: else ->
			raise(0);
			failed = false;
			seen = false;
			if
			:: work & IDS -> write_ids(cpu, cid, false)
			:: else
			fi;
			read_section();
#ifdef FAULT_IGNORED
			failed = false;
#endif
			if
			:: !failed && !seen -> goto user_mode
			:: else
			fi
		fi;

		/* rseq_exit_slow(), rseq_exit_prepare() */
		slow = true;
		old_cpu = known_cpu;
		old_cid = known_cid;
		write = (work & IDS) != 0;
		exit_cpu = cpu;
		exit_cid = cid;
#ifndef REMEMBERED_LATE
		remember();
#endif
#if !defined(LOWERED_LATE) && !defined(NEVER_LOWERED)
		raise(0);
#endif
		exit_try();
#ifdef NEVER_LOWERED
		goto exit_to_user_mode;
#endif
		if
		:: failed -> can_wait = true
		:: else ->
#ifdef REMEMBERED_LATE
			remember();
#endif
#ifdef LOWERED_LATE
			raise(0);
#endif
			goto user_mode
		fi
	}
	interrupts();
	exit_try();
	interrupts();
#ifdef REMEMBERED_LATE
	remember();
#endif
#ifdef LOWERED_LATE
	raise(0);
#endif
#ifdef NOT_REPEATED
	goto user_mode;
#else
	/* All other pending work is done again, then this. */
	goto exit_to_user_mode;
#endif

deliver_signal:
	atomic {
		flags = flags & ~SIGNAL;
		queued = false;
		interrupted = interrupted || in_section
	}
#ifdef FRAME_FIRST
	saved_ip = ip;
#endif
	/* rseq_signal_deliver() */
#ifndef SIGNAL_UNNOTICED
	failed = false;
	seen = false;
#ifndef SIGNAL_KEEPS_IDS
	if
	:: !extended ->
		exit_cpu = cpu;
		exit_cid = cid;
		write_ids(exit_cpu, exit_cid, false)
	:: else
	fi;
#endif
	read_section();
	restart();
#endif
	rewrite_due = !extended;
	/* setup_rt_frame() */
	interrupts();
	atomic {
#ifndef FRAME_FIRST
		saved_ip = ip;
#endif
		leave_section();
		ip = HANDLER
	}
	goto exit_to_user_mode;

done:
	on_cpu = false
}

#ifndef SIGNALS
#define SIGNALS	1
#endif
#ifndef BARRIERS
#define BARRIERS	1
#endif

/* Another CPU sends a signal. */
active [SIGNALS] proctype sender()
{
	atomic { flags = flags | SIGNAL; queued = true }
}

/* membarrier_private_expedited(), by another thread on some third CPU. */
active [BARRIERS] proctype caller()
{
	byte at;

	marked = in_section;
	do
	:: at < 2 ->
		if
		:: on_cpu && cpu == at ->
			ipi[at] = true;
#ifndef BARRIER_DOES_NOT_WAIT
			/* By now it may be the CPU of somebody else. */
			atomic {
				!ipi[at] || !on_cpu || cpu != at ->
				ipi[at] = false
			}
#endif
		:: else
		fi;
		at++
	:: else -> break
	od;
	returned = true
}
