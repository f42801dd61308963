// SPDX-License-Identifier: GPL-2.0
/*
 * One function for each operation of percpu.h, to be disassembled by
 * percpu_code_test.sh. The first part of a name says what it must be made of.
 */
#include "percpu.h"
#include "percpu-list.h"

extern PERCPU __s8 v8;
extern PERCPU __s16 v16;
extern PERCPU __s32 v32;
extern PERCPU __s64 v64;
extern PERCPU struct percpu_pair pair;

struct record {
	long a;
	int b[4];
};

extern PERCPU struct record record;

/* One instruction that reads, modifies and writes. */
#define ONE(name, ...)	void one_##name { __VA_ARGS__; }

void one_inc8(void);
void one_inc16(void);
void one_inc32(void);
void one_inc64(void);
void one_add8(int x);
void one_add16(int x);
void one_add32(int x);
void one_add64(long x);
void one_add_constant(void);
void one_add_large(void);
void one_or(long x);
void one_and(int x);
void one_member(void);
void one_element(int i);
void one_pointer(PERCPU long *p);
void one_pointer_member(PERCPU struct record *p, int i);
__s8 one_xadd8(int x);
__s64 one_xadd64(long x);
__s8 one_cmpxchg8(int x, int y);
__s32 one_cmpxchg32(int x, int y);
__s64 one_cmpxchg64(long x, long y);
bool one_cmpxchg16b(struct percpu_pair *x, struct percpu_pair *y);
__s32 loop_xchg32(int x);
__s64 loop_xchg64(long x);
void loop_push(PERCPU struct percpu_list *l, struct percpu_node *n);
struct percpu_node *loop_pop(PERCPU struct percpu_list *l);
__s8 read_8(void);
__s64 read_64(void);
PERCPU long *none_address(void);

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
