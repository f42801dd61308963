// SPDX-License-Identifier: GPL-2.0
/*
 * The operations of rseq.h: what each does, what the compiler must know of it,
 * and many threads that are migrated and signalled without rest.
 *
 * Built by C and C++ compilers, and with RSEQ_NR_SYSCALL a system call that no
 * kernel has: then it tests what the operations do without rseq().
 */
#ifdef RSEQ_NR_SYSCALL
#define WITHOUT_RSEQ	1
#else
#define WITHOUT_RSEQ	0
#endif
#include "rseq_build.h"

#define BLOCK		19	/* bytes: words and a rest */
#define THREADS_MAX	16
#define TOKENS		64
#define STORM_MS	150
#define STORM_QUICK_MS	50
#define STORM_MORE_MS	20000
#define RELEASES	5000
#define FENCES		50

static int failures;

/* Say the first that is wrong. */
#define CHECK(condition)						\
do {									\
	if (!(condition) &&						\
	    !__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED))	\
		ksft_print_msg("%s:%d: %s\n", __FILE__, __LINE__,	\
			       #condition);				\
} while (0)

struct node {
	long id;
	int taken;
	struct node *next;
};

struct record {
	long id;
	long copy[5];
	char tail[3];
};

struct behind {
	long unused[3];
	long count;
};

/* What belongs to one index. */
static struct slot {
	long count;
	struct behind *behind;
	long pair, closed;
	long height;
	long word[TOKENS + 1];
	struct record record[TOKENS + 1];
	struct node *head;
} RSEQ_ATTRIBUTE(aligned(64)) slot[CPU_SETSIZE];

static struct behind behind[CPU_SETSIZE];
static struct node token[TOKENS];

static struct worker {
	pthread_t thread;
	pid_t tid;
	unsigned long done;		/* rounds */
	unsigned long signals;
	unsigned long aborted, torn;	/* by the thread and its handler */
	bool failed;
} worker[THREADS_MAX];

static void fill_record(struct record *r, long id)
{
	memset(r, 0, sizeof(*r));
	r->id = id;
	memset(r->copy, (int)id, sizeof(r->copy));
	memset(r->tail, (int)id, sizeof(r->tail));
}

static bool record_is_whole(const struct record *r)
{
	struct record want;

	fill_record(&want, r->id);
	return !memcmp(&want, r, sizeof(want));
}

/* For check_registers(). */
static long input[15], output[15];

static bool same_values(void)
{
	unsigned int i;
	bool same = true;

	for (i = 0; i < ARRAY_SIZE(input); i++) {
		same = same && input[i] == output[i];
		input[i] = input[i] * 3 + i + 1;
	}
	return same;
}

/* Count what was interrupted; returns what it was given. */
static inline int note(struct worker *w, int result)
{
	if (result == RSEQ_ABORTED)
		STORE(w->aborted, LOAD(w->aborted) + 1);
	return result;
}

/* For release(): stored plainly, then committed. */
static long message, committed_message;

#define OP(name)	name
#define INDEX()		rseq_cpu_start()
#include "rseq_single.h"
#include "rseq_storm.h"
#undef OP
#undef INDEX
#define OP(name)	name##_mm_cid
#define INDEX()		rseq_mm_cid_start()
#include "rseq_single.h"
#include "rseq_storm.h"

static void result(const char *what, const char *by)
{
	ksft_test_result(!failures, "%s%s\n", what, by);
	failures = 0;
}

/* ---- One thread ---- */

/* A thread of its own registration can end it, and is then told so. */
static void test_registration(void)
{
	bool own = rseq_area() == &rseq_own_area;

	CHECK(rseq_register() == (WITHOUT_RSEQ ? RSEQ_FALLBACK :
				  own ? 0 : RSEQ_WAS_REGISTERED));
	if (WITHOUT_RSEQ) {
		CHECK(own);
		CHECK(rseq_current_cpu_raw() < 0);
		CHECK(!rseq_unregister());
	} else {
		CHECK(rseq_current_cpu_raw() >= 0);
		CHECK(!rseq_unregister());
		CHECK(own == (rseq_current_cpu_raw() < 0));
		if (own) {
			check_not_registered();
			check_not_registered_mm_cid();
			CHECK(rseq_unregister() == -EINVAL);
		}
		CHECK(rseq_register() == (own ? 0 : RSEQ_WAS_REGISTERED));
		CHECK(rseq_register() == RSEQ_WAS_REGISTERED);
		if (own) {
			/* As if a signal handler had, since that looked. */
			rseq_area()->cpu_id = RSEQ_ABI_NOT_REGISTERED;
			CHECK(rseq_register() == RSEQ_WAS_REGISTERED);
			CHECK(!rseq_unregister());
			CHECK(!rseq_register());
		}
		CHECK(rseq_current_cpu_raw() >= 0);
		rseq_disarm();
		CHECK(!rseq_area()->rseq_cs);
	}
	result(own ? "own registration" : "registration by glibc", "");
}

static void test_single(void)
{
	check_effects();
	result("effects", "");
	check_effects_mm_cid();
	result("effects", ", by mm_cid");
	if (WITHOUT_RSEQ) {
		ksft_test_result_skip("another index: without rseq() any will do\n");
		ksft_test_result_skip("another index, by mm_cid: without rseq() any will do\n");
	} else {
		check_moved();
		result("another index", "");
		check_moved_mm_cid();
		result("another index", ", by mm_cid");
	}
	check_memory();
	result("memory", "");
	check_memory_mm_cid();
	result("memory", ", by mm_cid");
	check_registers();
	result("registers", "");
	check_registers_mm_cid();
	result("registers", ", by mm_cid");
	check_twice();
	result("twice in a function", "");
	check_twice_mm_cid();
	result("twice in a function", ", by mm_cid");
}

/* ---- Two threads ---- */

static void test_release(void *(*release_by)(void *), const char *by)
{
	pthread_t thread;
	long seen, data;

	message = 0;
	committed_message = 0;
	CHECK(!pthread_create(&thread, NULL, release_by, NULL));
	do {
		seen = __atomic_load_n(&committed_message, __ATOMIC_ACQUIRE);
		data = LOAD(message);
		CHECK(data >= seen);
	} while (seen < RELEASES && !LOAD(failures));
	CHECK(!pthread_join(thread, NULL));
	result("release ordering of the commit", by);
}

static bool stop_fenced;

static void *work_fenced(void *arg)
{
	struct slot *s;
	int cpu;
	long v;

	(void)arg;
	if (rseq_register() < 0)
		return NULL;
	while (!LOAD(stop_fenced)) {
		cpu = rseq_cpu_start();
		s = &slot[cpu];
		v = LOAD(s->pair);
		rseq_store_if_both_equal(&s->pair, v, &s->closed, 0, v + 1,
					 cpu);
	}
	rseq_unregister();
	return NULL;
}

/* After the fence, nothing happens any more in a slot that was closed. */
static void test_fence(bool all)
{
	int cpu = allowed_cpu[allowed_cpus - 1], n, look;
	/* Without rseq(), any will do, and it is this one. */
	struct slot *s = &slot[WITHOUT_RSEQ ? 0 : cpu];
	unsigned long long end;
	pthread_t thread;
	cpu_set_t set;
	long v;

	memset(slot, 0, sizeof(slot));
	stop_fenced = false;
	CHECK(!pthread_create(&thread, NULL, work_fenced, NULL));
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(!pthread_setaffinity_np(thread, sizeof(set), &set));
	for (n = 0; n < FENCES && !failures; n++) {
		/* It must be at work, or there is nothing to fence. */
		v = LOAD(s->pair);
		end = now_ms() + 10000;
		while (LOAD(s->pair) == v && now_ms() < end)
			sched_yield();
		CHECK(LOAD(s->pair) != v);
		STORE(s->closed, 1);
		CHECK(!(all ? rseq_fence() : rseq_fence_cpu(cpu)));
		v = LOAD(s->pair);
		for (look = 0; look < 100; look++)
			CHECK(LOAD(s->pair) == v);
		sched_yield();
		CHECK(LOAD(s->pair) == v);
		STORE(s->closed, 0);
	}
	STORE(stop_fenced, true);
	CHECK(!pthread_join(thread, NULL));
	result(all ? "fence over all CPUs" : "fence over one CPU", "");
}

/* ---- The storm ---- */

struct work {
	const char *name;
	void (*by_cpu)(struct worker *w);
	void (*by_mm_cid)(struct worker *w);
	void (*check)(unsigned long rounds);
};

static void (*current_work)(struct worker *w);
static bool stop_workers;
static __thread struct worker *this_worker;

static void handle_signal(int sig)
{
	struct worker *w = this_worker;

	(void)sig;
	current_work(w);
	STORE(w->signals, LOAD(w->signals) + 1);
}

static void *live(void *arg)
{
	struct worker *w = (struct worker *)arg;

	this_worker = w;
	if (rseq_register() < 0 || rseq_falls_back() != WITHOUT_RSEQ)
		w->failed = true;
	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	while (!LOAD(stop_workers)) {
		current_work(w);
		w->done++;
	}
	if (rseq_unregister())
		w->failed = true;
	return NULL;
}

static void check_add(unsigned long rounds)
{
	unsigned long count = 0, through = 0;
	int i;

	for (i = 0; i < CPU_SETSIZE; i++) {
		count += slot[i].count;
		through += behind[i].count;
	}
	CHECK(count == rounds);
	CHECK(through == rounds);
}

static void check_exchange(unsigned long rounds)
{
	unsigned long count = 0, pair = 0;
	int i;

	for (i = 0; i < CPU_SETSIZE; i++) {
		count += slot[i].count;
		pair += slot[i].pair;
	}
	CHECK(count == rounds);
	CHECK(pair == rounds);
}

/* Every token is there, once. */
static int found[TOKENS];

static void find(long id)
{
	CHECK(id >= 1 && id <= TOKENS);
	if (id >= 1 && id <= TOKENS)
		CHECK(!found[id - 1]++);
}

static void check_found(void)
{
	int i;

	for (i = 0; i < TOKENS; i++)
		CHECK(found[i]);
	memset(found, 0, sizeof(found));
}

static void check_stack(unsigned long rounds)
{
	long n;
	int i;

	(void)rounds;
	for (i = 0; i < CPU_SETSIZE; i++) {
		CHECK(slot[i].height >= 0 && slot[i].height <= TOKENS);
		for (n = 0; n < slot[i].height && n < TOKENS; n++)
			find(slot[i].word[n]);
	}
	check_found();
}

static void check_records(unsigned long rounds)
{
	long n;
	int i;

	(void)rounds;
	for (i = 0; i < CPU_SETSIZE; i++) {
		CHECK(slot[i].height >= 0 && slot[i].height <= TOKENS);
		for (n = 0; n < slot[i].height && n < TOKENS; n++) {
			CHECK(record_is_whole(&slot[i].record[n]));
			find(slot[i].record[n].id);
		}
	}
	check_found();
}

static void check_list(unsigned long rounds)
{
	const struct node *node;
	int i, n = 0;

	(void)rounds;
	for (i = 0; i < CPU_SETSIZE; i++)
		for (node = slot[i].head; node && n++ <= TOKENS;
		     node = node->next)
			find(node->id);
	check_found();
}

static const struct work work[] = {
	{ "add, add through a pointer", work_add, work_add_mm_cid, check_add },
	{ "compare and exchange", work_exchange, work_exchange_mm_cid,
	  check_exchange },
	{ "stack of words", work_stack, work_stack_mm_cid, check_stack },
	{ "stack of records", work_records, work_records_mm_cid,
	  check_records },
	{ "list", work_list, work_list_mm_cid, check_list },
};

/* The tokens begin at the first indices, where any thread finds some. */
static void reset_slots(void)
{
	int i, n;

	memset(slot, 0, sizeof(slot));
	memset(behind, 0, sizeof(behind));
	for (i = 0; i < CPU_SETSIZE; i++)
		slot[i].behind = &behind[i];
	for (i = 0; i < TOKENS; i++) {
		struct slot *s = &slot[i % 2];

		n = s->height++;
		s->word[n] = i + 1;
		fill_record(&s->record[n], i + 1);
		token[i].id = i + 1;
		token[i].taken = 0;
		token[i].next = s->head;
		s->head = &token[i];
	}
}

static unsigned long total_aborted;
static bool quick;

static unsigned long aborted_by(int threads)
{
	unsigned long aborted = 0;

	while (threads--)
		aborted += LOAD(worker[threads].aborted);
	return aborted;
}

static void run_storm(const struct work *what, bool by_mm_cid,
		      int threads)
{
	unsigned long long end;
	unsigned long rounds = 0;
	unsigned int random = 1;
	int i;

	reset_slots();
	memset(worker, 0, sizeof(worker));
	current_work = by_mm_cid ? what->by_mm_cid : what->by_cpu;
	stop_workers = false;
	for (i = 0; i < threads; i++)
		CHECK(!pthread_create(&worker[i].thread, NULL, live,
				      &worker[i]));
	for (i = 0; i < threads; i++)
		while (!__atomic_load_n(&worker[i].tid, __ATOMIC_ACQUIRE))
			sched_yield();
	end = now_ms() + (quick ? STORM_QUICK_MS : STORM_MS);
	/* An emulated machine may take a while to hit a section at all. */
	while (now_ms() < end ||
	       (!WITHOUT_RSEQ && !total_aborted && !aborted_by(threads) &&
		now_ms() < end + STORM_MORE_MS)) {
		random = random * 1103515245 + 12345;
		i = (random >> 16) % threads;
		if (random & (1 << 30))
			pthread_kill(worker[i].thread, SIGUSR1);
		else
			move_to_cpu(worker[i].tid,
				    allowed_cpu[(random >> 8) % allowed_cpus]);
	}
	STORE(stop_workers, true);
	for (i = 0; i < threads; i++) {
		CHECK(!pthread_join(worker[i].thread, NULL));
		CHECK(!worker[i].failed);
		CHECK(!worker[i].torn);
		rounds += worker[i].done + worker[i].signals;
	}
	total_aborted += aborted_by(threads);
	what->check(rounds);
	result(what->name, by_mm_cid ? ", by mm_cid, many threads" :
				       ", many threads");
}

/* ---- A fault in an operation ---- */

static void *guarded;

static void open_guarded(int sig)
{
	(void)sig;
	if (mprotect(guarded, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE))
		_exit(KSFT_FAIL);
}

/* Its handler makes the memory accessible, and then it succeeds. */
static void test_fault(void)
{
	long *v;

	guarded = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(guarded != MAP_FAILED);
	CHECK(signal(SIGSEGV, open_guarded) != SIG_ERR);
	v = (long *)guarded;
	while (rseq_add(v, 1, rseq_cpu_start()) < 0)
		;
	CHECK(*v == 1);
	CHECK(signal(SIGSEGV, SIG_DFL) == open_guarded);
	munmap(guarded, sysconf(_SC_PAGESIZE));
	result("a fault reaches its handler", "");
}

/* ---- Without rseq() ---- */

static sem_t locked, go_on;

static void *hold_lock(void *arg)
{
	sigset_t saved;

	(void)arg;
	rseq_fallback_lock(&saved);
	sem_post(&locked);
	sem_wait(&go_on);
	rseq_fallback_unlock(&saved);
	return NULL;
}

static bool about_to_fence, fenced;

static void *fence(void *arg)
{
	(void)arg;
	STORE(about_to_fence, true);
	CHECK(!rseq_fence());
	STORE(fenced, true);
	return NULL;
}

/* The fence waits for who is at work. */
static void test_fallback_fence(void)
{
	pthread_t holder, fencer;
	unsigned long long end;

	CHECK(!sem_init(&locked, 0, 0) && !sem_init(&go_on, 0, 0));
	CHECK(!pthread_create(&holder, NULL, hold_lock, NULL));
	while (sem_wait(&locked))
		;
	CHECK(!pthread_create(&fencer, NULL, fence, NULL));
	while (!LOAD(about_to_fence))
		sched_yield();
	/* Time enough to be wrong. */
	end = now_ms() + 100;
	while (!LOAD(fenced) && now_ms() < end)
		sched_yield();
	CHECK(!LOAD(fenced));
	sem_post(&go_on);
	CHECK(!pthread_join(fencer, NULL));
	CHECK(!pthread_join(holder, NULL));
	CHECK(fenced);
	result("fence while another thread holds the lock", "");
}

/*
 * A child that was forked while another thread was at work is not stuck; it need
 * not be by fork(), which calls what was registered for that.
 */
static void test_fork(void)
{
	unsigned long long end;
	pthread_t thread;
	int status = -1;
	long v = 0;
	pid_t pid;

	CHECK(!sem_init(&locked, 0, 0) && !sem_init(&go_on, 0, 0));
	CHECK(!pthread_create(&thread, NULL, hold_lock, NULL));
	while (sem_wait(&locked))
		;
	pid = syscall(SYS_fork);
	if (!pid)
		_exit(rseq_add(&v, 1, 0) || v != 1);
	/* A child that is stuck has its signals blocked. */
	end = now_ms() + 20000;
	while (pid > 0 && waitpid(pid, &status, WNOHANG) != pid) {
		if (now_ms() > end)
			kill(pid, SIGKILL);
		sched_yield();
	}
	sem_post(&go_on);
	CHECK(pid > 0 && !status);
	CHECK(!pthread_join(thread, NULL));
	result("fork while another thread holds the lock", "");
}

/* ---- */

/*
 * Once with glibc's registration, if it has one, and once with our own: then
 * the program starts itself again.
 */
static void test_again(char **argv)
{
	FILE *said = tmpfile();
	int status = -1;
	char line[256];
	pid_t pid;

	CHECK(said);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
		if (!said || dup2(fileno(said), STDOUT_FILENO) < 0)
			_exit(KSFT_FAIL);
		execl("/proc/self/exe", argv[0], "quick", NULL);
		_exit(KSFT_FAIL);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (status && said) {
		rewind(said);
		while (fgets(line, sizeof(line), said))
			ksft_print_msg("%s", line);
		ksft_print_msg("ended with status %#x\n", status);
	}
	if (said)
		fclose(said);
	CHECK(!status);
	result("all of this with a registration of our own", "");
}

int main(int argc, char **argv)
{
	bool again;
	int threads, i, by_mm_cid;

	/* The area of glibc's would be taken, and the test without it. */
	if (WITHOUT_RSEQ && rseq_current_cpu_raw() >= 0) {
		setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
		execv("/proc/self/exe", argv);
	}
	quick = argc == 2 && !strcmp(argv[1], "quick");
	again = !WITHOUT_RSEQ && !quick;
	ksft_print_header();
	find_allowed_cpus();
	threads = 2 * allowed_cpus < THREADS_MAX ? 2 * allowed_cpus :
						   THREADS_MAX;
	ksft_set_plan(1 + 10 + 2 + 2 + 2 * ARRAY_SIZE(work) + 2 + again +
		      WITHOUT_RSEQ);
	if (signal(SIGUSR1, handle_signal) == SIG_ERR)
		ksft_exit_fail_msg("signal: %s\n", strerror(errno));

	test_registration();
	test_single();
	test_release(release, "");
	test_release(release_mm_cid, ", by mm_cid");
	test_fence(true);
	test_fence(false);
	for (by_mm_cid = 0; by_mm_cid < 2; by_mm_cid++)
		for (i = 0; i < (int)ARRAY_SIZE(work); i++)
			run_storm(&work[i], by_mm_cid, threads);
	test_fault();
	if (WITHOUT_RSEQ) {
		test_fork();
		test_fallback_fence();
	} else {
		/* Else there was no storm, and nothing was shown. */
		CHECK(total_aborted);
		result("sections were aborted", "");
		ksft_print_msg("aborted in storms: %lu\n", total_aborted);
	}
	if (again)
		test_again(argv);
	ksft_finished();
}
