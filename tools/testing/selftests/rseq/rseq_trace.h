/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel's tracepoints say, in an instance of tracefs of our own, so
 * that nobody else's trace is disturbed.
 */
#ifndef RSEQ_TRACE_H
#define RSEQ_TRACE_H

#include <sys/stat.h>

#include "rseq_test.h"

#define TRACE_NEEDED "no tracefs: CONFIG_FTRACE, and root, are needed"

static char trace_instance[128];

static char *trace_path(const char *file)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", trace_instance, file);
	return path;
}

/* Returns 0, or a negative error number. */
static int trace_write(const char *file, const char *text)
{
	int fd = open(trace_path(file), O_WRONLY | O_TRUNC | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != strlen(text))
		ret = -errno;
	close(fd);
	return ret;
}

static char *trace_read(const char *file)
{
	static char text[1 << 20];
	int fd = open(trace_path(file), O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t len;

	while (fd >= 0 && size < sizeof(text) - 1 &&
	       (len = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += len;
	if (fd >= 0)
		close(fd);
	text[size] = '\0';
	return text;
}

/* The last event of a process with this text; NULL if there is none. */
static char *trace_last_event(pid_t pid, const char *event)
{
	static char last[1024];
	char who[32], *line, *next;
	bool found = false;

	snprintf(who, sizeof(who), "-%d ", (int)pid);
	for (line = trace_read("trace"); *line; line = next) {
		next = strchrnul(line, '\n');
		if (*next)
			*next++ = '\0';
		if (*line == '#' || !strstr(line, who) || !strstr(line, event))
			continue;
		snprintf(last, sizeof(last), "%s", strstr(line, event));
		found = true;
	}
	return found ? last : NULL;
}

/* Returns 0, or a negative error number; -ENOENT if there is no tracefs. */
static int trace_start(void)
{
	static const char * const tracefs[] = {
		"/sys/kernel/tracing", "/sys/kernel/debug/tracing",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tracefs); i++) {
		snprintf(trace_instance, sizeof(trace_instance),
			 "%s/events", tracefs[i]);
		if (access(trace_instance, R_OK | X_OK))
			continue;
		snprintf(trace_instance, sizeof(trace_instance),
			 "%s/instances/rseq_test.%d", tracefs[i],
			 (int)getpid());
		return mkdir(trace_instance, 0700) ? -errno : 0;
	}
	*trace_instance = '\0';
	return -ENOENT;
}

/* Whether or not there is one; its events are disabled. */
static void trace_end(void)
{
	if (*trace_instance) {
		trace_write("events/enable", "0");
		rmdir(trace_instance);
	}
}

#endif /* RSEQ_TRACE_H */
