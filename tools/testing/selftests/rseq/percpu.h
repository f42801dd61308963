/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Per-CPU variables for user space, on top of the per-CPU segment: see
 * Documentation/arch/x86/percpu-segment.rst.
 *
 * In short:
 *
 *	PERCPU_DEFINE(long, hits);
 *	...
 *	error = percpu_setup(0);	in main(), before there are threads
 *	if (error)
 *		errx(1, "%s", percpu_strerror(error));
 *	...
 *	percpu_inc(hits);		incq %gs:hits(%rip)
 *	...
 *	total = percpu_sum(hits);
 *
 * The GS base of a thread follows the CPU that it runs on, or its mm_cid. So an
 * instruction with a %gs prefix works on the memory of that CPU, and as it is
 * one instruction, nothing can come in between: there is no critical section,
 * nothing to restart, no lock prefix, and no CPU number to load.
 *
 * What is declared with PERCPU_DEFINE() is a template, in pages of its own. Each
 * index gets a copy of it, and then nobody can access the template any more.
 * Offsets stay what the linker made of them: the GS base for index i is
 *
 *	where the copy for i begins - where the template begins
 *
 * A thread without a segment has GS base 0, so it accesses the template itself:
 * it gets SIGSEGV, and never counts in a wrong place. That is how a thread shows
 * up that existed before percpu_setup(); it calls that as well, for itself.
 *
 * Only one object (the program, or one library) can have declared variables,
 * with as many of its source files and static libraries as it likes: one GS
 * base cannot be the distance to a copy for templates here and there. The other
 * libraries, loaded at the start or by dlopen(), take their per-CPU memory from
 * percpu_alloc() and use the same operations on it, as %gs:(%reg). Whoever comes
 * first sets the process up; the others find what it has made at a fixed
 * address, PERCPU_ROOT. No symbol is shared, so it does not matter how a library
 * is linked or loaded. percpu_alloc() never takes memory back.
 *
 * Memory that a thread has reached through %gs belongs to its CPU only for the
 * length of one instruction, so read it from elsewhere as you like, but write to
 * it from its own CPU. percpu_ptr() gives the plain address of a copy, to fill
 * it in before it is used.
 *
 * x86-64; C (GNU C99 or later) and C++, gcc and clang, position independent or
 * not. In C a variable is in the address space __seg_gs, so that the compiler sees
 * to it that no other is taken for one; C++ objects cannot be in one.
 * Define _GNU_SOURCE, or compile as GNU C, for syscall().
 */
#ifndef PERCPU_H
#define PERCPU_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/types.h>

#define PERCPU_ATTRIBUTE(...)	__attribute__((__VA_ARGS__))
/* Of a function that not every program needs, nor often. */
#define PERCPU_SLOW		PERCPU_ATTRIBUTE(noinline, unused)

#if !defined(__x86_64__) || defined(__ILP32__)
#error "percpu.h: for x86-64 only"
#endif

/* What <asm/prctl.h> and <asm/percpu_segment.h> of the kernel say. */
#define PERCPU_ARCH_GET_GS	0x1004
#define PERCPU_ARCH_SET		0x6001
#define PERCPU_ARCH_GET		0x6002

#define PERCPU_BY_MM_CID	1ULL	/* flag: PERCPU_SEGMENT_MM_CID */

struct percpu_arch_segment {
	__u64 size;
	__u64 flags;
	__u64 base;
	__u64 stride;
};

#ifdef MAP_FIXED_NOREPLACE
#define PERCPU_MAP_HERE		MAP_FIXED_NOREPLACE
#else
#define PERCPU_MAP_HERE		0x100000
#endif

#define PERCPU_PAGE		4096UL

/*
 * What may be done with a template that has been copied: nothing. A sanitizer
 * that looks for leaks reads all data of the program.
 */
#define PERCPU_TEMPLATE		PROT_NONE
#ifdef __SANITIZE_ADDRESS__
#undef PERCPU_TEMPLATE
#define PERCPU_TEMPLATE		PROT_READ
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(leak_sanitizer)
#undef PERCPU_TEMPLATE
#define PERCPU_TEMPLATE		PROT_READ
#endif
#endif

/*
 * Offsets of percpu_alloc(), reserved as addresses. The first page that a
 * process can map is PERCPU_ROOT.
 */
#define PERCPU_RESERVED		0x10000UL
#define PERCPU_DYNAMIC		(PERCPU_RESERVED + PERCPU_PAGE)
#define PERCPU_DYNAMIC_END	0x100000UL

#define PERCPU_MAGIC		0x3175706372657075ULL

/**
 * struct percpu_root - what a process knows of its per-CPU memory
 * @magic:	PERCPU_MAGIC when the rest is valid
 * @base:	GS base for index 0
 * @stride:	bytes from the GS base for one index to that for the next
 * @nr:		how many indices there are
 * @flags:	0 or PERCPU_BY_MM_CID
 * @start:	first address of the template, 0 if there is none
 * @end:	first address behind it
 * @next:	where percpu_alloc() goes on
 */
struct percpu_root {
	__u64 magic;
	__u64 base;
	__u64 stride;
	__u64 nr;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 next;
};

#define PERCPU_ROOT	((struct percpu_root *)PERCPU_RESERVED)

#if defined(__SEG_GS) && !defined(__cplusplus)
#define PERCPU		__seg_gs
#else
#define PERCPU
#endif

/*
 * The last subsection comes last in what an object file has of the section. So
 * all contributions begin and end on a page, and the section is whole pages.
 */
__asm__(".pushsection percpu, 8191, \"aw\", @progbits\n\t"
	 ".balign 4096\n\t"
	 ".popsection");

/* Set by the linker; NULL if there is no such section. */
extern char __start_percpu[]
	PERCPU_ATTRIBUTE(weak, visibility("hidden"));
extern char __stop_percpu[]
	PERCPU_ATTRIBUTE(weak, visibility("hidden"));

#define DEFINE_PER_CPU_TEMPLATE	PERCPU_ATTRIBUTE(section("percpu"))

/**
 * PERCPU_DEFINE - define a per-CPU variable
 * @type:	its type
 * @name:	its name; an initializer may follow, and static go before
 *
 * What it is initialized to is what each copy begins with.
 * Another file declares it by extern PERCPU TYPE NAME; or, if it is a pointer, by
 * extern TYPE *PERCPU NAME.
 */
#define PERCPU_DEFINE(type, name)					\
	DEFINE_PER_CPU_TEMPLATE PERCPU __typeof__(type) name

/* ---- Access to one variable, on the index that this thread has ---- */

typedef __u8 percpu_u8 PERCPU_ATTRIBUTE(may_alias);
typedef __u16 percpu_u16 PERCPU_ATTRIBUTE(may_alias);
typedef __u32 percpu_u32 PERCPU_ATTRIBUTE(may_alias);
typedef __u64 percpu_u64 PERCPU_ATTRIBUTE(may_alias);

/**
 * struct percpu_pair - two words that percpu_cmpxchg16b() takes as one
 * @lo:		the first one
 * @hi:		the second one
 */
struct percpu_pair {
	__u64 lo;
	__u64 hi;
} PERCPU_ATTRIBUTE(aligned(16), may_alias);

#ifdef __cplusplus
#define PERCPU_AUTO	auto
#else
#define PERCPU_AUTO	__auto_type
#endif

/* What to use with %gs for it. No other pointer converts to this. */
static PERCPU_ATTRIBUTE(always_inline) inline uintptr_t
percpu_offset(const PERCPU void *var)
{
	return (uintptr_t)var;
}

/* The type of a variable without qualifiers and address space. */
#define PERCPU_TYPE(var)						\
	__typeof__(__extension__ ({ PERCPU_AUTO percpu_t = (var); percpu_t; }))

/* PERCPU_TYPE() makes a pointer of an array, so refuse to take one as a whole. */
#define PERCPU_NOT_ARRAY(var)						\
	((void)sizeof(char[sizeof(PERCPU_TYPE(var)) == sizeof(var) ? 1 : -1]))

/*
 * A variable as a memory operand; it has to be a per-CPU one. Compilers do not
 * agree on who writes the prefix of an operand in __seg_gs, so the operand is a
 * plain one and the prefix is written in the template.
 */
#define PERCPU_OPERAND(bits, var)					\
	(*(percpu_u##bits *)percpu_offset(&(var)))

/* Numbers and pointers of 1, 2, 4 or 8 bytes; anything else: negative size. */
#define PERCPU_CHECK(var)						\
	((void)sizeof(char[(sizeof(var) == 1 || sizeof(var) == 2 ||	\
			    sizeof(var) == 4 || sizeof(var) == 8) &&	\
			   __builtin_classify_type(var) != 8 ? 1 : -1]))

/* Select by size; what is not selected must compile as well. */
#define PERCPU_BY_SIZE(do_this, var, ...)				\
do {									\
	PERCPU_CHECK(var);						\
	switch (sizeof(var)) {						\
	case 1:								\
		do_this(8, "b", var, ## __VA_ARGS__);			\
		break;							\
	case 2:								\
		do_this(16, "w", var, ## __VA_ARGS__);			\
		break;							\
	case 4:								\
		do_this(32, "l", var, ## __VA_ARGS__);			\
		break;							\
	case 8:								\
		do_this(64, "q", var, ## __VA_ARGS__);			\
		break;							\
	}								\
} while (0)

#define PERCPU_VALUE(bits, value)	((__u##bits)(uintptr_t)(value))

/* In which registers it can be. */
#define PERCPU_REG_8	"q"
#define PERCPU_REG_16	"r"
#define PERCPU_REG_32	"r"
#define PERCPU_REG_64	"r"
#define PERCPU_REG(bits)	PERCPU_REG_##bits

/* What an instruction can hold: 32 bits, sign-extended. */
#define PERCPU_IMMEDIATE_8	"i"
#define PERCPU_IMMEDIATE_16	"i"
#define PERCPU_IMMEDIATE_32	"i"
#define PERCPU_IMMEDIATE_64	"e"
#define PERCPU_IMMEDIATE(bits)	PERCPU_IMMEDIATE_##bits

#define PERCPU_ASM_BINARY(bits, suffix, var, insn, value)		\
(__extension__ ({							\
	__asm__ __volatile__(insn suffix " %1, %%gs:%0"			\
		: "+m" (PERCPU_OPERAND(bits, var))			\
		: PERCPU_REG(bits) PERCPU_IMMEDIATE(bits) (PERCPU_VALUE(bits, value)) \
		: "cc");						\
}))

#define PERCPU_ASM_INC(bits, suffix, var)				\
(__extension__ ({							\
	__asm__ __volatile__("inc" suffix " %%gs:%0"			\
		: "+m" (PERCPU_OPERAND(bits, var))			\
		: : "cc");						\
}))

#define PERCPU_ASM_READ(bits, suffix, var, result)			\
do {									\
	__u##bits percpu_v;						\
									\
	__asm__ __volatile__("mov" suffix " %%gs:%1, %0"		\
		: "=" PERCPU_REG(bits) (percpu_v)			\
		: "m" (PERCPU_OPERAND(bits, var)));			\
	(result) = percpu_v;						\
} while (0)

#define PERCPU_ASM_XADD(bits, suffix, var, result, value)		\
do {									\
	__u##bits percpu_v = PERCPU_VALUE(bits, value);			\
									\
	__asm__ __volatile__("xadd" suffix " %0, %%gs:%1"		\
		: "+" PERCPU_REG(bits) (percpu_v), "+m" (PERCPU_OPERAND(bits, var)) \
		: : "cc", "memory");					\
	(result) = percpu_v;						\
} while (0)

#define PERCPU_ASM_CMPXCHG(bits, suffix, var, result, expect, value)	\
do {									\
	__u##bits percpu_v = PERCPU_VALUE(bits, expect);		\
									\
	__asm__ __volatile__("cmpxchg" suffix " %2, %%gs:%1"		\
		: "+a" (percpu_v), "+m" (PERCPU_OPERAND(bits, var))	\
		: PERCPU_REG(bits) (PERCPU_VALUE(bits, value))		\
		: "cc", "memory");					\
	(result) = percpu_v;						\
} while (0)

/**
 * percpu_add - add to a per-CPU variable
 * @var:	the variable; here and below a member, an array element or
 *		*pointer will do as well
 * @value:	what to add; may be negative
 *
 * One instruction. No ordering with respect to other memory, other than what
 * any x86 instruction has.
 */
#define percpu_add(var, value)						\
	PERCPU_BY_SIZE(PERCPU_ASM_BINARY, var, "add", value)

/**
 * percpu_inc - add 1 to a per-CPU variable, as percpu_add()
 * @var:	the variable
 */
#define percpu_inc(var)							\
	PERCPU_BY_SIZE(PERCPU_ASM_INC, var)

/**
 * percpu_or - set bits of a per-CPU variable, as percpu_add()
 * @var:	the variable
 * @value:	the bits to set
 */
#define percpu_or(var, value)						\
	PERCPU_BY_SIZE(PERCPU_ASM_BINARY, var, "or", value)

/**
 * percpu_and - clear bits of a per-CPU variable, as percpu_add()
 * @var:	the variable
 * @value:	the bits to keep
 */
#define percpu_and(var, value)						\
	PERCPU_BY_SIZE(PERCPU_ASM_BINARY, var, "and", value)

/* What came out of an assembly, as the type of the variable. */
#define PERCPU_RESULT(do_this, var, ...)				\
(__extension__ ({							\
	__u64 percpu_r = 0;						\
									\
	PERCPU_BY_SIZE(do_this, var, percpu_r, ## __VA_ARGS__);		\
	(PERCPU_TYPE(var))percpu_r;					\
}))

/**
 * percpu_read - read a per-CPU variable
 * @var:	the variable
 *
 * Return: its value, on the CPU that the thread was on in that instant.
 */
#define percpu_read(var)						\
	PERCPU_RESULT(PERCPU_ASM_READ, var)

/**
 * percpu_xadd - add to a per-CPU variable, and tell what it was
 * @var:	the variable
 * @value:	what to add; may be negative
 *
 * One instruction.
 *
 * Return: its value before.
 */
#define percpu_xadd(var, value)						\
	PERCPU_RESULT(PERCPU_ASM_XADD, var, value)

/**
 * percpu_cmpxchg - compare a per-CPU variable, and exchange it if equal
 * @var:	the variable
 * @expect:	what it must be
 * @value:	what to make of it
 *
 * One instruction.
 *
 * Return: its value before; it was exchanged if that is @expect.
 */
#define percpu_cmpxchg(var, expect, value)				\
	PERCPU_RESULT(PERCPU_ASM_CMPXCHG, var, expect, value)

/**
 * percpu_xchg - exchange a per-CPU variable
 * @var:	the variable
 * @value:	what to make of it
 *
 * A loop of cmpxchg, as the instruction xchg locks the bus whether it is told
 * to or not. It is repeated only if something came in between.
 *
 * Return: its value before.
 */
#define percpu_xchg(var, value)						\
(__extension__ ({							\
	PERCPU_AUTO percpu_p = &(var);					\
	PERCPU_TYPE(var) percpu_new = (value);				\
	PERCPU_TYPE(var) percpu_old, percpu_seen = percpu_read(*percpu_p); \
									\
	do {								\
		percpu_old = percpu_seen;				\
		percpu_seen = percpu_cmpxchg(*percpu_p, percpu_old,	\
					     percpu_new);		\
	} while (percpu_seen != percpu_old);				\
	percpu_old;							\
}))

/**
 * percpu_cmpxchg16b - compare and exchange two words of a CPU as one
 * @pair:	a per-CPU struct percpu_pair, or what is laid out like one
 * @expect:	a struct percpu_pair: what it must be; gets what it was
 * @value:	a struct percpu_pair: what to make of it
 *
 * One instruction.
 *
 * Return: true if it was exchanged.
 */
#define percpu_cmpxchg16b(pair, expect, value)				\
(__extension__ ({							\
	struct percpu_pair *percpu_e = (expect);			\
	const struct percpu_pair *percpu_n = (value);			\
	bool percpu_done;						\
									\
	__asm__ __volatile__("cmpxchg16b %%gs:%[mem]"			\
		: "=@ccz" (percpu_done), "+a" (percpu_e->lo),		\
		  "+d" (percpu_e->hi),					\
		  [mem] "+m" (*(struct percpu_pair *)percpu_offset(&(pair))) \
		: "b" (percpu_n->lo), "c" (percpu_n->hi)		\
		: "memory");						\
	percpu_done;							\
}))

/* ---- All indices ---- */

/**
 * percpu_count - how many indices there are
 *
 * Return: one more than the highest CPU number that the machine can have.
 */
static inline unsigned int percpu_count(void)
{
	return PERCPU_ROOT->nr;
}

/* The address of the copy for an index, from the address that is used with %gs. */
static inline uintptr_t percpu_address(unsigned int index, uintptr_t offset)
{
	return PERCPU_ROOT->base + index * PERCPU_ROOT->stride + offset;
}

/**
 * percpu_ptr - plain address of a per-CPU variable for an index
 * @index:	less than percpu_count()
 * @var:	the variable, or an element of an array of them
 */
#define percpu_ptr(index, var)						\
	(PERCPU_NOT_ARRAY(var),						\
	 (PERCPU_TYPE(var) *)percpu_address(index, percpu_offset(&(var))))

/**
 * percpu_read_on - read a per-CPU variable of any index
 * @index:	less than percpu_count()
 * @var:	the variable
 *
 * Return: its value; it may have changed by the time that it is looked at.
 */
#define percpu_read_on(index, var)					\
	__atomic_load_n(percpu_ptr(index, var), __ATOMIC_RELAXED)

/**
 * percpu_sum - sum of a per-CPU variable over all indices
 * @var:	the variable
 *
 * Of CPUs that are offline as well: they keep what was counted on them.
 *
 * Return: the sum, exact if nobody changes the variable meanwhile.
 */
#define percpu_sum(var)							\
(__extension__ ({							\
	PERCPU_AUTO percpu_p = &(var);					\
	PERCPU_TYPE(var) percpu_total = 0;				\
	unsigned int percpu_i;						\
									\
	for (percpu_i = 0; percpu_i < percpu_count(); percpu_i++)	\
		percpu_total += percpu_read_on(percpu_i, *percpu_p);	\
	percpu_total;							\
}))

/**
 * percpu_alloc - per-CPU memory at run time
 * @size:	bytes for each index
 * @align:	a power of two, at most a page
 *
 * Filled with zeroes. May be called by any thread at any time once the process
 * is set up.
 *
 * Return: what to use with %gs, as PERCPU void *; NULL if none is left.
 */
static inline PERCPU void *percpu_alloc(size_t size, size_t align)
{
	__u64 old = __atomic_load_n(&PERCPU_ROOT->next, __ATOMIC_RELAXED);
	__u64 at;

	if (!size || !align || align > PERCPU_PAGE || (align & (align - 1)))
		return NULL;
	do {
		at = (old + align - 1) & ~(__u64)(align - 1);
		if (size > PERCPU_DYNAMIC_END - at)
			return NULL;
	} while (!__atomic_compare_exchange_n(&PERCPU_ROOT->next, &old,
					      at + size, false,
					      __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return (PERCPU void *)(uintptr_t)at;
}

/**
 * percpu_new - percpu_alloc() for one object of a type
 * @type:	the type
 */
#define percpu_new(type)						\
	((PERCPU type *)percpu_alloc(sizeof(type), __alignof__(type)))

/* ---- Setting it up; kept out of line, as it runs once ---- */

static PERCPU_SLOW
int percpu_arch(int option, void *arg)
{
	return syscall(SYS_arch_prctl, option, arg) ? -errno : 0;
}

/* The number of CPUs that the kernel counts with, or more; 0 if unknown. */
static PERCPU_SLOW
unsigned int percpu_possible(void)
{
	unsigned long mask[1024];	/* 65536 CPUs */
	char text[4096], *last;
	ssize_t len = -1;
	int fd;

	/* For instance 0-63, or 0,2-5. */
	fd = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (len > 0) {
		text[len] = 0;
		last = text + strcspn(text, "\n");
		while (last > text && last[-1] >= '0' && last[-1] <= '9')
			last--;
		return strtoul(last, NULL, 10) + 1;
	}

	/* The size of the kernel's mask. */
	len = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	return len > 0 ? len * 8 : 0;
}

/* Reserve addresses that nobody uses, or nothing. */
static PERCPU_SLOW
int percpu_reserve(uintptr_t at, size_t size, int prot)
{
	void *want = (void *)at;
	void *got = mmap(want, size, prot, MAP_PRIVATE | MAP_ANONYMOUS |
			 MAP_NORESERVE | PERCPU_MAP_HERE, -1, 0);

	if (got == MAP_FAILED)
		return -errno;
	/* A kernel from before 4.17 takes it for a hint. */
	if (got != want) {
		munmap(got, size);
		return -EEXIST;
	}
	return 0;
}

/*
 * Find a place for the copies. What each index has of the template and of
 * percpu_alloc() is mapped with the same base and stride: in one block if the
 * template is at a low address, else in two.
 */
static PERCPU_SLOW
int percpu_place(struct percpu_root *root)
{
	size_t length = root->end - root->start, size;
	__u64 base;

	root->stride = length > PERCPU_DYNAMIC_END ? length :
						     PERCPU_DYNAMIC_END;
	if (root->start && root->start < root->nr * root->stride)
		root->stride = root->end;
	size = root->nr * root->stride;

	for (base = 1ULL << 45; base > PERCPU_DYNAMIC_END; base /= 2) {
		if (percpu_reserve(base, size, PROT_NONE))
			continue;
		if (root->start < size ||
		    !percpu_reserve(base + root->start, size, PROT_NONE)) {
			root->base = base;
			return 0;
		}
		munmap((void *)base, size);
	}
	return -ENOMEM;
}

static PERCPU_SLOW
int percpu_access(uintptr_t start, uintptr_t end)
{
	return mprotect((void *)start, end - start, PROT_READ | PROT_WRITE) ?
	       -errno : 0;
}

/* Undo percpu_place() and all that follows it. */
static PERCPU_SLOW
void percpu_unmap(struct percpu_root *root)
{
	size_t size = root->nr * root->stride;

	if (root->base) {
		munmap((void *)root->base, size);
		if (root->start >= size)
			munmap((void *)(root->base + root->start), size);
	}
	munmap(PERCPU_ROOT, PERCPU_DYNAMIC_END - PERCPU_RESERVED);
	if (root->start)
		percpu_access(root->start, root->end);
}

/* Make the copies, and take the template out of reach. */
static PERCPU_SLOW
int percpu_populate(struct percpu_root *root)
{
	size_t length = root->end - root->start;
	unsigned int i;
	int ret;

	for (i = 0; i < root->nr; i++) {
		uintptr_t base = root->base + i * root->stride;

		ret = percpu_access(base + PERCPU_DYNAMIC,
				    base + PERCPU_DYNAMIC_END);
		if (ret)
			return ret;
		if (!length)
			continue;
		ret = percpu_access(base + root->start, base + root->end);
		if (ret)
			return ret;
		memcpy((void *)(base + root->start), (void *)root->start,
		       length);
	}
	if (length && mprotect((void *)root->start, length, PERCPU_TEMPLATE))
		return -errno;
	return 0;
}

/* Is there a page that can be read? */
static PERCPU_SLOW
bool percpu_readable(const void *page)
{
	/* There is no such way to change a signal mask, but it is read first. */
	return syscall(SYS_rt_sigprocmask, -1, page, NULL, 8) &&
	       errno != EFAULT;
}

/* Another object of this process was here first, or this one was. */
static PERCPU_SLOW
int percpu_join(__u64 flags)
{
	if (!percpu_readable(PERCPU_ROOT) ||
	    __atomic_load_n(&PERCPU_ROOT->magic, __ATOMIC_ACQUIRE) !=
	    PERCPU_MAGIC)
		return -EEXIST;
	if (&__start_percpu[0] != &__stop_percpu[0] &&
	    PERCPU_ROOT->start != (uintptr_t)__start_percpu)
		return -EXDEV;
	if (PERCPU_ROOT->flags != flags)
		return -EINVAL;
	return 0;
}

/**
 * percpu_map - lay out the per-CPU memory of the process
 * @flags:	0: a copy for each CPU; or PERCPU_BY_MM_CID: for each mm_cid
 *
 * The first half of percpu_setup(); for who sets the GS base by other means.
 *
 * Return: 1 if this has done it, 0 if it was done already; an error as of
 * percpu_setup().
 */
static PERCPU_SLOW
int percpu_map(__u64 flags)
{
	struct percpu_root root = {
		PERCPU_MAGIC, 0, 0, percpu_possible(), flags,
		(uintptr_t)__start_percpu, (uintptr_t)__stop_percpu,
		PERCPU_DYNAMIC
	};
	int ret;

	if (flags & ~PERCPU_BY_MM_CID)
		return -EINVAL;
	if ((root.start | root.end) % PERCPU_PAGE)
		return -ENOEXEC;
	if (!root.nr)
		return -ENOENT;
	if (root.start == root.end) {
		root.start = 0;
		root.end = 0;
	}

	ret = percpu_reserve(PERCPU_RESERVED,
			     PERCPU_DYNAMIC_END - PERCPU_RESERVED, PROT_NONE);
	if (ret == -EEXIST)
		return percpu_join(flags);
	if (ret)
		return ret;
	ret = percpu_place(&root);
	if (!ret)
		ret = percpu_access(PERCPU_RESERVED, PERCPU_DYNAMIC);
	if (!ret)
		ret = percpu_populate(&root);
	if (ret) {
		percpu_unmap(&root);
		return ret;
	}

	root.magic = 0;
	*PERCPU_ROOT = root;
	__atomic_store_n(&PERCPU_ROOT->magic, PERCPU_MAGIC, __ATOMIC_RELEASE);
	return 1;
}

/*
 * May this thread have a segment?
 *
 * Return: 1 if it has one, with @segment filled in; 0 if it has none.
 */
static PERCPU_SLOW
int percpu_check(struct percpu_arch_segment *segment)
{
	__u64 base = 0;
	__u16 selector;
	int ret;

	segment->size = sizeof(*segment);
	ret = percpu_arch(PERCPU_ARCH_GET, segment);
	if (ret == -EINVAL)
		return -EOPNOTSUPP;
	if (!ret)
		return 1;
	if (ret != -ENOENT)
		return ret;
	__asm__("movw %%gs, %0" : "=r" (selector));
	ret = percpu_arch(PERCPU_ARCH_GET_GS, &base);
	if (!ret && (selector || base))
		ret = -EBUSY;
	return ret;
}

/**
 * percpu_setup - set up the per-CPU memory of the process, and this thread
 * @flags:	0: a copy for each CPU; or PERCPU_BY_MM_CID: for each mm_cid
 *
 * To be called by main() before there are threads: these inherit it. A thread
 * that existed before calls it for itself, and so does each library that uses it,
 * when that is first used: what is there already is used. If a library calls it
 * in its constructor, which is before main(), then the program has come too late
 * to have declared variables.
 *
 * Return: 0; or, and then nothing has changed, for percpu_strerror():
 *  -EOPNOTSUPP: the kernel has no per-CPU segment;
 *  -EBUSY:   %gs is in use by something else in this thread;
 *  -EINVAL:  unknown flags, or the process is set up with other ones;
 *  -EXDEV:   another object of this process has declared variables, or came
 *	      before this one, which has;
 *  -ENOEXEC: declared variables share a page with other ones;
 *  -EEXIST:  the address PERCPU_ROOT is in use by something else, or another
 *	      thread is just about to do this;
 *  -ENOENT:  it cannot be found out how many CPUs there are;
 *  -EPERM:   the process may not map PERCPU_ROOT: see vm.mmap_min_addr;
 *  -ENOMEM:  no memory, or no room in the address space.
 */
static PERCPU_SLOW
int percpu_setup(__u64 flags)
{
	struct percpu_arch_segment segment = { 0, 0, 0, 0 };
	struct percpu_root root;
	int ret, kept, made;

	kept = percpu_check(&segment);
	if (kept < 0)
		return kept;
	/* Somebody's, but not made by this. */
	if (kept && (!percpu_readable(PERCPU_ROOT) ||
		     PERCPU_ROOT->magic != PERCPU_MAGIC ||
		     PERCPU_ROOT->base != segment.base ||
		     PERCPU_ROOT->stride != segment.stride))
		return -EBUSY;

	made = percpu_map(flags);
	if (made < 0 || kept)
		return made < 0 ? made : 0;
	segment.flags = PERCPU_ROOT->flags;
	segment.base = PERCPU_ROOT->base;
	segment.stride = PERCPU_ROOT->stride;
	ret = percpu_arch(PERCPU_ARCH_SET, &segment);
	if (ret && made) {
		root = *PERCPU_ROOT;
		percpu_unmap(&root);
	}
	return ret;
}

/**
 * percpu_strerror - what an error of percpu_setup() means, and what to do
 * @error:	the error, negative
 *
 * Return: a string, not to be freed.
 */
static PERCPU_SLOW
const char *percpu_strerror(int error)
{
	switch (-error) {
	case EOPNOTSUPP:
		return "this kernel has no per-CPU segment: CONFIG_X86_PERCPU_SEGMENT=y";
	case EBUSY:
		return "the GS base is in use by something else in this thread";
	case EINVAL:
		return "unknown flags, or the process is set up with other flags already";
	case EXDEV:
		return "another object has declared variables, or came first: use percpu_alloc()";
	case ENOEXEC:
		return "declared variables share a page with others (-flto?)";
	case EEXIST:
		return "PERCPU_ROOT is in use, or being set up by another thread: try again";
	case ENOENT:
		return "the number of CPUs is not known: mount sysfs on /sys";
	case EPERM:
		return "PERCPU_ROOT cannot be mapped: sysctl vm.mmap_min_addr=65536";
	default:
		return strerror(-error);
	}
}

#endif /* PERCPU_H */
