// SPDX-License-Identifier: GPL-2.0
/*
 * liburcu with a call_rcu worker for each CPU: call_rcu() finds the worker of
 * its CPU through sched_getcpu(), which glibc reads from the rseq area.
 *
 * Threads that are moved from CPU to CPU replace what others read, and leave
 * the old to call_rcu(). Everything must be freed once, and nothing while it is
 * read.
 */
#define _GNU_SOURCE
#define _LGPL_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <urcu.h>

#define THREADS		4
#define REPLACEMENTS	200
#define ALIVE		0x600d600dUL
#define FREED		0xdeaddeadUL

struct item {
	struct rcu_head head;
	unsigned long state;
};

static struct item *shared;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_ulong freed, unexpected;
static cpu_set_t allowed;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
}

static int next_cpu(int cpu)
{
	do {
		cpu = (cpu + 1) % CPU_SETSIZE;
	} while (!CPU_ISSET(cpu, &allowed));
	return cpu;
}

static void free_item(struct rcu_head *head)
{
	struct item *item = caa_container_of(head, struct item, head);

	if (item->state != ALIVE)
		atomic_fetch_add(&unexpected, 1);
	item->state = FREED;
	free(item);
	atomic_fetch_add(&freed, 1);
}

static struct item *new_item(void)
{
	struct item *item = calloc(1, sizeof(*item));

	if (!item) {
		perror("calloc");
		exit(1);
	}
	item->state = ALIVE;
	return item;
}

static void *replace(void *arg)
{
	int i, cpu = (int)(long)arg;
	struct item *old, *item;

	rcu_register_thread();
	for (i = 0; i < REPLACEMENTS; i++) {
		cpu = next_cpu(cpu);
		pin(cpu);
		/* On this CPU it must be this CPU's worker. */
		if (get_call_rcu_data() != get_cpu_call_rcu_data(cpu))
			atomic_fetch_add(&unexpected, 1);

		rcu_read_lock();
		if (rcu_dereference(shared)->state != ALIVE)
			atomic_fetch_add(&unexpected, 1);
		rcu_read_unlock();

		item = new_item();
		pthread_mutex_lock(&lock);
		old = shared;
		rcu_assign_pointer(shared, item);
		pthread_mutex_unlock(&lock);
		call_rcu(&old->head, free_item);
	}
	rcu_unregister_thread();
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	int i, error;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	rcu_register_thread();
	if (create_all_cpu_call_rcu_data(0)) {
		perror("create_all_cpu_call_rcu_data");
		return 1;
	}
	shared = new_item();
	for (i = 0; i < THREADS; i++) {
		error = pthread_create(&threads[i], NULL, replace,
				       (void *)(long)i);
		if (error) {
			fprintf(stderr, "pthread_create: %s\n",
				strerror(error));
			return 1;
		}
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	rcu_barrier();
	if (freed != THREADS * REPLACEMENTS || unexpected) {
		fprintf(stderr, "%lu freed of %d, %lu not as expected\n",
			(unsigned long)freed, THREADS * REPLACEMENTS,
			(unsigned long)unexpected);
		return 1;
	}
	free_all_cpu_call_rcu_data();
	return 0;
}
