// SPDX-License-Identifier: GPL-2.0
/*
 * Every operation of rseq.h, interrupted before each of its instructions, by
 * each kind of event.
 *
 * A child does the operation under ptrace, instruction by instruction. It is
 * stopped at each, so the kernel would abort the section at its first; hence
 * the tracer takes the descriptor out of rseq_cs as long as it steps, and puts
 * it back for the instruction that it is after. Then it does to the data what
 * another thread on that CPU could have done, lets the event happen (the stop
 * has taken the child off its CPU, which is a preemption; or a migration; or a
 * signal, whose handler does the operation as well), and lets the child run to
 * its end. Then the data must be what it was at the event, and the operation on
 * top of it, once, and at the index that the child has moved to.
 */
#include "rseq_build.h"

#include <sys/ptrace.h>
#include <sys/user.h>
#include <ucontext.h>

enum event { PREEMPTION, MIGRATION, SIGNAL, EVENTS };

static const char * const event_name[] = {
	"preemption", "migration", "signal",
};

/* Who does an operation. */
enum who { CHILD, HANDLER, OTHER, ACTORS };

struct node {
	long id;
	struct node *next;
};

#define NODES	4
#define BLOCK	13	/* bytes: words and a rest */

static const char text[ACTORS][BLOCK] = {
	"abcdefghijkl", "ABCDEFGHIJKL", "123456789012",
};

/* What belongs to one index. */
struct slot {
	long v, w;
	long *p;
	struct node *head;
	char block[BLOCK];
	struct node node[NODES];
} RSEQ_ATTRIBUTE(aligned(64));

/* The same as plain values: the list as the IDs of its nodes. */
struct state {
	long v, w;
	bool to_w;			/* p points to w */
	char block[BLOCK];
	int length;			/* of the list; -1: it does not end */
	long list[NODES + ACTORS];
};

static struct shared {
	struct slot slot[CPU_SETSIZE];
	struct node spare[ACTORS];	/* to be pushed */
	struct node *popped[ACTORS];
	struct rseq_abi *area;		/* the child's */
	int operation;
	int tries[3];			/* the child's */
	int index;			/* at which the child did it */
	bool ended;
	bool handled;
	unsigned long handler_ip;
} *shared;

/* Stop for the tracer. */
static inline void stop(void)
{
	__asm__ __volatile__ ("int3" : : : "memory");
}

static inline void begin(enum who who)
{
	if (who == CHILD)
		stop();
}

static inline void end(enum who who)
{
	if (who == CHILD)
		__atomic_store_n(&shared->ended, true, __ATOMIC_RELEASE);
}

#define OP(name)	name
#define INDEX()		rseq_cpu_start()
#include "rseq_inject.h"
#undef OP
#undef INDEX
#define OP(name)	name##_mm_cid
#define INDEX()		rseq_mm_cid_start()
#include "rseq_inject.h"

/* ---- What each operation comes to, done to plain values ---- */

static void model_add(struct state *s, enum who who)
{
	(void)who;
	s->v++;
}

static void model_add_through(struct state *s, enum who who)
{
	(void)who;
	if (s->to_w)
		s->w++;
	else
		s->v++;
}

static void model_store_if_both_equal(struct state *s, enum who who)
{
	(void)who;
	s->v = s->w + 1;
}

static void model_store_and_commit(struct state *s, enum who who)
{
	(void)who;
	s->w = ~s->v++;
}

static void model_copy_and_commit(struct state *s, enum who who)
{
	memcpy(s->block, text[who], BLOCK);
	s->v++;
}

static void model_push(struct state *s, enum who who)
{
	memmove(s->list + 1, s->list, s->length++ * sizeof(*s->list));
	s->list[0] = shared->spare[who].id;
}

static void model_pop(struct state *s, enum who who)
{
	(void)who;
	memmove(s->list, s->list + 1, --s->length * sizeof(*s->list));
	s->list[s->length] = 0;
}

static const struct {
	const char *name;
	int (*by_cpu)(enum who who, int *tries);
	int (*by_mm_cid)(enum who who, int *tries);
	void (*model)(struct state *s, enum who who);
} operation[] = {
	{ "add", do_add, do_add_mm_cid, model_add },
	{ "add_through", do_add_through, do_add_through_mm_cid,
	  model_add_through },
	{ "store_if_equal", do_store_if_equal, do_store_if_equal_mm_cid,
	  model_add },
	{ "store_if_both_equal", do_store_if_both_equal,
	  do_store_if_both_equal_mm_cid, model_store_if_both_equal },
	{ "store_and_commit", do_store_and_commit, do_store_and_commit_mm_cid,
	  model_store_and_commit },
	{ "copy_and_commit", do_copy_and_commit, do_copy_and_commit_mm_cid,
	  model_copy_and_commit },
	{ "push", do_push, do_push_mm_cid, model_push },
	{ "pop", do_pop, do_pop_mm_cid, model_pop },
};

#define OPERATIONS	(2 * (int)ARRAY_SIZE(operation))

/* Even ones are by CPU, odd ones by mm_cid. */
static int (*chosen(int nr))(enum who who, int *tries)
{
	return nr % 2 ? operation[nr / 2].by_mm_cid : operation[nr / 2].by_cpu;
}

/* ---- The data ---- */

static void reset_slot(struct slot *s, int index)
{
	int i;

	memset(s, 0, sizeof(*s));
	s->v = 100 * index;
	s->w = 50;
	s->p = &s->v;
	for (i = 0; i < NODES; i++) {
		s->node[i].id = 10 * index + i + 1;
		s->node[i].next = i + 1 < NODES ? &s->node[i + 1] : NULL;
	}
	s->head = s->node;
}

static void read_slot(const struct slot *s, struct state *state)
{
	const struct node *node;

	memset(state, 0, sizeof(*state));
	state->v = s->v;
	state->w = s->w;
	state->to_w = s->p == &s->w;
	memcpy(state->block, s->block, BLOCK);
	for (node = s->head; node; node = node->next) {
		if (state->length == ARRAY_SIZE(state->list)) {
			state->length = -1;
			break;
		}
		state->list[state->length++] = node->id;
	}
}

/*
 * Another thread was there: nothing is as the operation may have found it; or v
 * is, so that the other word must be what is looked at.
 */
static void interfere(struct slot *s, bool keep_v)
{
	struct node *a = s->head, *b = a->next;

	if (!keep_v)
		s->v += 1000;
	s->w = 2000;
	s->p = &s->w;
	memcpy(s->block, text[OTHER], BLOCK);
	/* The second node is gone, and the first is back: ABA. */
	a->next = b->next;
}

/* ---- The child ---- */

static void handle_signal(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = (const ucontext_t *)context;
	int (*operate)(enum who who, int *tries) = chosen(shared->operation);
	int tries[3] = { 0, 0, 0 };

	(void)sig;
	(void)info;
#ifdef __x86_64__
	shared->handler_ip = uc->uc_mcontext.gregs[REG_RIP];
#else
	shared->handler_ip = uc->uc_mcontext.gregs[REG_EIP];
#endif
	operate(HANDLER, tries);
	shared->handled = true;
}

static void live(void)
{
	struct sigaction act;
	int (*operate)(enum who who, int *tries);
	int tries[3], nr;

	memset(&act, 0, sizeof(act));
	act.sa_sigaction = handle_signal;
	act.sa_flags = SA_SIGINFO;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) ||
	    sigaction(SIGUSR1, &act, NULL) || rseq_register() < 0 ||
	    rseq_falls_back())
		_exit(KSFT_FAIL);
	shared->area = rseq_area();
	/* Once for what is looked up in the first call only. */
	for (nr = 0; nr < OPERATIONS; nr++)
		chosen(nr)(HANDLER, tries);
	stop();
	for (;;) {
		operate = chosen(shared->operation);
		shared->index = operate(CHILD, shared->tries);
		stop();
	}
}

/* ---- The tracer ---- */

static pid_t child;

/* What went wrong in the run at hand, or empty; and in how many runs. */
static char wrong[256];
static int failures;

#define FAIL(...)							\
do {									\
	if (!*wrong)							\
		snprintf(wrong, sizeof(wrong), __VA_ARGS__);		\
} while (0)

/* Something that has nothing to do with what is tested. */
static void broken(const char *what)
{
	ksft_exit_fail_msg("%s: %s\n", what, strerror(errno));
}

static void wait_for_stop(void)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		broken("waitpid");
	if (WIFSIGNALED(status))
		ksft_exit_fail_msg("the child was killed by signal %d\n",
				   WTERMSIG(status));
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		ksft_exit_fail_msg("the child was to stop by SIGTRAP: status %#x\n",
				   status);
}

static void resume(enum __ptrace_request how, int sig)
{
	if (ptrace(how, child, NULL, (void *)(long)sig))
		broken("ptrace");
	if (how != PTRACE_CONT || !sig) {
		wait_for_stop();
		return;
	}
	wait_for_stop();
}

static unsigned long child_ip(void)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, child, NULL, &regs))
		broken("PTRACE_GETREGS");
#ifdef __x86_64__
	return regs.rip;
#else
	return (unsigned long)regs.eip;
#endif
}

static unsigned long peek(const void *where)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, child, where, NULL);
	if (errno)
		broken("PTRACE_PEEKDATA");
	return word;
}

/* On i386, the lower half of it. */
static void set_rseq_cs(unsigned long descriptor)
{
	if (ptrace(PTRACE_POKEDATA, child, &shared->area->rseq_cs,
		   (void *)descriptor))
		broken("PTRACE_POKEDATA");
}

/* The descriptor: as the kernel defines it, in memory of the program. */
struct descriptor {
	__u32 version;
	__u32 flags;
	__u64 start_ip;
	__u64 post_commit_offset;
	__u64 abort_ip;
};

static bool in_section(const struct descriptor *d, unsigned long ip)
{
	return d && ip - d->start_ip < d->post_commit_offset;
}

static bool same_state(const struct state *a, const struct state *b)
{
	return a->v == b->v && a->w == b->w && a->to_w == b->to_w &&
	       !memcmp(a->block, b->block, BLOCK) && a->length == b->length &&
	       !memcmp(a->list, b->list, sizeof(a->list));
}

static struct state initial[CPU_SETSIZE], expected[CPU_SETSIZE];
static int nr_slots;

/* Is what makes the operation count there? */
static bool committed(const struct state *now, const struct state *before)
{
	return now->v != before->v || now->length != before->length;
}

/*
 * One run, with the event before instruction number @position, counted from the
 * stop before the operation.
 *
 * Return: false if the operation has no so many instructions.
 */
static bool run(int nr, enum event event, int position, int *inside_runs)
{
	int here = allowed_cpu[0], there = allowed_cpu[1 % allowed_cpus];
	void (*model)(struct state *s, enum who who) = operation[nr / 2].model;
	const struct descriptor *d = NULL;
	unsigned long descriptor = 0, armed, ip;
	int i, from, step;
	struct state now;
	bool inside, done;

	if (move_to_cpu(child, here))
		broken("sched_setaffinity");
	for (i = 0; i < nr_slots; i++) {
		reset_slot(&shared->slot[i], i);
		read_slot(&shared->slot[i], &initial[i]);
	}
	for (i = 0; i < ACTORS; i++) {
		shared->spare[i].id = -1 - i;
		shared->spare[i].next = NULL;
		shared->popped[i] = NULL;
	}
	memset(shared->tries, 0, sizeof(shared->tries));
	shared->operation = nr;
	shared->ended = false;
	shared->handled = false;
	shared->index = -1;
	/* To the stop before the operation. */
	resume(PTRACE_CONT, 0);
	set_rseq_cs(0);

	for (step = 0; step < position; step++) {
		resume(PTRACE_SINGLESTEP, 0);
		if (__atomic_load_n(&shared->ended, __ATOMIC_ACQUIRE)) {
			resume(PTRACE_CONT, 0);
			return false;
		}
		armed = peek(&shared->area->rseq_cs);
		if (armed) {
			descriptor = armed;
			set_rseq_cs(0);
		}
	}

	/* It stands where it is to be interrupted. */
	ip = child_ip();
	set_rseq_cs(descriptor);
	d = (const struct descriptor *)descriptor;
	inside = in_section(d, ip);
	*inside_runs += inside;
	from = nr % 2 ? (int)peek(&shared->area->mm_cid) : here;
	if (from < 0 || from >= nr_slots)
		ksft_exit_fail_msg("mm_cid %d of a single thread\n", from);
	done = false;
	for (i = 0; i < nr_slots; i++) {
		read_slot(&shared->slot[i], &now);
		if (committed(&now, &initial[i])) {
			if (i != from || done)
				FAIL("committed at index %d", i);
			done = true;
		}
		interfere(&shared->slot[i],
			  model == model_store_if_both_equal);
		read_slot(&shared->slot[i], &expected[i]);
	}
	if (inside && done)
		FAIL("committed before the end of the section");
	if (event == MIGRATION && move_to_cpu(child, there))
		broken("sched_setaffinity");

	resume(PTRACE_CONT, event == SIGNAL ? SIGUSR1 : 0);
	if (!shared->ended)
		FAIL("stopped before its end");
	if (inside && !shared->tries[1])
		FAIL("was not aborted");
	if (event == SIGNAL) {
		if (!shared->handled)
			FAIL("the signal was not handled");
		else if (shared->handler_ip != (inside ? d->abort_ip : ip))
			FAIL("the signal handler saw the instruction pointer at %#lx",
			     shared->handler_ip);
		model(&expected[from], HANDLER);
	}
	i = shared->index;
	if (i < 0 || i >= nr_slots) {
		FAIL("done at index %d", i);
	} else if (done) {
		if (i != from)
			FAIL("said to be done at index %d", i);
	} else {
		if (!(nr % 2) && i != (event == MIGRATION ? there : here))
			FAIL("done at index %d", i);
		model(&expected[i], CHILD);
	}
	for (i = 0; i < nr_slots; i++) {
		read_slot(&shared->slot[i], &now);
		if (!same_state(&now, &expected[i]))
			FAIL("index %d: v %ld w %ld %.*s nodes %d; not v %ld w %ld %.*s %d",
			     i, now.v, now.w, BLOCK, now.block, now.length,
			     expected[i].v, expected[i].w, BLOCK,
			     expected[i].block, expected[i].length);
	}
	if (operation[nr / 2].by_cpu == do_pop &&
	    (!shared->popped[CHILD] ||
	     shared->popped[CHILD] == shared->popped[HANDLER]))
		FAIL("popped what another one popped");

	if (*wrong) {
		if (!failures++)
			ksft_print_msg("before instruction %d, %s the section: %s\n",
				       position, inside ? "in" : "outside of", wrong);
		*wrong = '\0';
	}
	return true;
}

int main(int argc, char **argv)
{
	int nr, event, position, in_sections;
	int first = PREEMPTION;

	ksft_print_header();
	find_allowed_cpus();
	/* All that depends on the compiler shows with one event as well. */
	if (argc == 2 && !strcmp(argv[1], "quick"))
		first = SIGNAL;
	ksft_set_plan(OPERATIONS * (EVENTS - first));
	nr_slots = sysconf(_SC_NPROCESSORS_CONF);
	if (nr_slots > CPU_SETSIZE || nr_slots <= allowed_cpu[allowed_cpus - 1])
		nr_slots = CPU_SETSIZE;
	shared = (struct shared *)map_shared(sizeof(*shared));
	for (nr = 0; nr < nr_slots; nr++)
		reset_slot(&shared->slot[nr], nr);
	if (rseq_register() < 0 || rseq_falls_back())
		ksft_exit_fail_msg("there is no rseq() here\n");

	/*
	 * On the CPU of the child: then it is this thread that preempts it, and
	 * stops do not have to wait for another CPU.
	 */
	if (move_to_cpu(0, allowed_cpu[0]))
		broken("sched_setaffinity");
	child = fork();
	if (!child)
		live();
	if (child < 0)
		broken("fork");
	wait_for_stop();
	if (ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_EXITKILL))
		broken("PTRACE_SETOPTIONS");

	for (nr = 0; nr < OPERATIONS; nr++) {
		for (event = first; event < EVENTS; event++) {
			if (event == MIGRATION && allowed_cpus < 2) {
				ksft_test_result_skip("%s: two CPUs are needed\n",
						      operation[nr / 2].name);
				continue;
			}
			in_sections = 0;
			failures = 0;
			for (position = 0;
			     run(nr, (enum event)event, position, &in_sections);
			     position++)
				;
			/* The check of the index and the commit at least. */
			ksft_test_result(in_sections >= 2 && !failures,
					 "%s%s: %s before each of %d instructions, %d in the section\n",
					 operation[nr / 2].name,
					 nr % 2 ? ", by mm_cid" : "",
					 event_name[event], position,
					 in_sections);
		}
	}
	kill(child, SIGKILL);
	ksft_finished();
}
