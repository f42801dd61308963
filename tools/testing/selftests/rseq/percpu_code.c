// SPDX-License-Identifier: GPL-2.0
/*
 * One function for each operation of percpu.h, to be disassembled by
 * percpu_code_test.sh. The first part of a name says what it must be made of.
 */
#include "percpu.h"
#include "percpu-list.h"

PERCPU_DEFINE(__s8, v8);
PERCPU_DEFINE(__s16, v16);
PERCPU_DEFINE(__s32, v32);
PERCPU_DEFINE(__s64, v64);
PERCPU_DEFINE(struct percpu_pair, pair);

struct record {
	long a;
	int b[4];
};

PERCPU_DEFINE(struct record, record);

/* One instruction that reads, modifies and writes. */
#define ONE(name, op)	void one_##name { op; }

ONE(inc8(void), percpu_inc(v8))
ONE(inc16(void), percpu_inc(v16))
ONE(inc32(void), percpu_inc(v32))
ONE(inc64(void), percpu_inc(v64))
ONE(add8(int x), percpu_add(v8, x))
ONE(add16(int x), percpu_add(v16, x))
ONE(add32(int x), percpu_add(v32, x))
ONE(add64(long x), percpu_add(v64, x))
ONE(add_constant(void), percpu_add(v64, -1))
ONE(add_large(void), percpu_add(v64, 0x123456789abcLL))
ONE(or(long x), percpu_or(v64, x))
ONE(and(int x), percpu_and(v16, x))
ONE(member(void), percpu_inc(record.b[2]))
ONE(element(int i), percpu_inc(record.b[i]))
ONE(pointer(PERCPU long *p), percpu_add(*p, 7))
ONE(pointer_member(PERCPU struct record *p, int i), percpu_add(p->b[i], i))

__s8 one_xadd8(int x)
{
	return percpu_xadd(v8, x);
}

__s64 one_xadd64(long x)
{
	return percpu_xadd(v64, x);
}

__s8 one_cmpxchg8(int x, int y)
{
	return percpu_cmpxchg(v8, x, y);
}

__s32 one_cmpxchg32(int x, int y)
{
	return percpu_cmpxchg(v32, x, y);
}

__s64 one_cmpxchg64(long x, long y)
{
	return percpu_cmpxchg(v64, x, y);
}

bool one_cmpxchg16b(struct percpu_pair *x, struct percpu_pair *y)
{
	return percpu_cmpxchg16b(pair, x, y);
}

/* Loops: what they write, one cmpxchg or cmpxchg16b writes. */
__s32 loop_xchg32(int x)
{
	return percpu_xchg(v32, x);
}

__s64 loop_xchg64(long x)
{
	return percpu_xchg(v64, x);
}

void loop_push(PERCPU struct percpu_list *l, struct percpu_node *n)
{
	percpu_list_push(l, n);
}

struct percpu_node *loop_pop(PERCPU struct percpu_list *l)
{
	return percpu_list_pop(l);
}

/* One load. */
__s8 read_8(void)
{
	return percpu_read(v8);
}

__s64 read_64(void)
{
	return percpu_read(v64);
}

/* Nothing in the segment at all. */
PERCPU long *none_address(void)
{
	return &record.a;
}
