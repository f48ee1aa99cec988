/**
 * @file The threads of native code: one pool for the process, in C of its own that every program's code calls.
 * Out: the address of `pool(work, table, threads, habit, steps)`, which calls work(table, thread, team) on so many threads
 * at once, the caller being thread 0, and returns when all are done; the work makes so many steps.
 *
 * Who waits looks again and again for a while, then sleeps: waiting costs nothing while a step is under way, and a busy
 * neighbour gets the processor otherwise. A neighbour may keep one thread from its part while the others wait: where
 * calls take longer so than they do alone, the caller works alone for a while. Threads are detached and never keep the
 * process alive. If another JavaScript thread has the pool, or no thread can be made, the caller does all the work.
 * Bits depend on none of this.
 */
import { loadC } from './native-compiler.js'

/** Nanoseconds of looking before sleep: about what passes between two steps, or between the ends of two threads' parts. */
const patience = 50_000

export const poolSource = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

typedef intptr_t Index;
typedef struct Team { Index threads; void (*wait)(Index threads); } Team;
typedef void (*Work)(char **table, Index thread, const Team *team);

/* A number that threads wait to see changed. */
typedef struct Word {
  __attribute__((aligned(128))) long value;
  int sleepers;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
} Word;

static long nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

/* How often threads fell asleep in the middle of work. */
static long slept;

static int differs(Word *word, long old, int looks) {
  for (int i = 0; i < looks; i++) {
    if (__atomic_load_n(&word->value, __ATOMIC_ACQUIRE) != old) return 1;
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
  }
  return 0;
}

/* 1 if it took a sleep. */
static int await(Word *word, long old) {
  if (differs(word, old, 64)) return 0;
  long start = nanoseconds();
  while (nanoseconds() - start < ${patience})
    if (differs(word, old, 32)) return 0;
  pthread_mutex_lock(&word->mutex);
  __atomic_add_fetch(&word->sleepers, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&word->value, __ATOMIC_SEQ_CST) == old) pthread_cond_wait(&word->changed, &word->mutex);
  __atomic_sub_fetch(&word->sleepers, 1, __ATOMIC_SEQ_CST);
  pthread_mutex_unlock(&word->mutex);
  return 1;
}

/* Either the sleeper sees the new value, or it is seen here to sleep. */
static void change(Word *word, long value) {
  __atomic_store_n(&word->value, value, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&word->sleepers, __ATOMIC_SEQ_CST) == 0) return;
  pthread_mutex_lock(&word->mutex);
  pthread_cond_broadcast(&word->changed);
  pthread_mutex_unlock(&word->mutex);
}

static __attribute__((aligned(128))) Index arrived;
static Word phase = {0, 0, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};

/* The last to arrive lets all go. */
static void wait_for_all(Index threads) {
  long now = __atomic_load_n(&phase.value, __ATOMIC_ACQUIRE);
  if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) < threads) {
    if (await(&phase, now)) __atomic_add_fetch(&slept, 1, __ATOMIC_RELAXED);
    return;
  }
  __atomic_store_n(&arrived, 0, __ATOMIC_RELAXED);
  change(&phase, now + 1);
}

#define MOST 64
static struct Worker { Word jobs; Work work; char **table; const Team *team; } workers[MOST];
static Index hired = 1;

static void *serve(void *argument) {
  struct Worker *self = argument;
  for (long job = 0;; job++) {
    await(&self->jobs, job);
    Index threads = self->team->threads;
    self->work(self->table, self - workers, self->team);
    wait_for_all(threads);
  }
  return 0;
}

/* As many threads as wanted, or as can be had; signals are for the threads that were there before. */
static Index hire(Index wanted) {
  if (wanted > MOST) wanted = MOST;
  if (hired >= wanted) return wanted;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (; hired < wanted; hired++) {
    struct Worker *worker = &workers[hired];
    pthread_mutex_init(&worker->jobs.mutex, 0);
    pthread_cond_init(&worker->jobs.changed, 0);
    pthread_t thread;
    if (pthread_create(&thread, 0, serve, worker) != 0) break;
    pthread_detach(thread);
  }
  pthread_sigmask(SIG_SETMASK, &before, 0);
  return hired;
}

/* What a program remembers, in nanoseconds a step: its best call alone (0: not known), steps to make alone from now on and
   how many they were the last time; of its latest calls together how many, how long, and how often threads slept. */
typedef struct Habit { long alone, left, last, calls, time, sleeps; } Habit;

static void work_alone(Work work, char **table) {
  static const Team alone = {1, wait_for_all};
  work(table, 0, &alone);
}

/* After some calls together, if threads slept: alone three times to compare, then longer and longer while that is
   faster, up to a quarter of a second. */
static void reconsider(Habit *habit, Index steps) {
  if (habit->calls < 16) return;
  if (habit->sleeps > 0 && habit->alone == 0) habit->left = 3 * steps;
  else if (habit->sleeps > 0 && habit->time / habit->calls > habit->alone + habit->alone / 16) {
    long most = 250000000L / habit->alone;
    if (most < 1) most = 1;
    long next = habit->last ? 2 * habit->last : 32;
    habit->left = habit->last = next < most ? next : most;
    habit->alone = 0;
  } else habit->last = 0;
  habit->calls = habit->time = habit->sleeps = 0;
}

static void work_together(Work work, char **table, Index threads) {
  Team team = {hire(threads), wait_for_all};
  for (Index i = 1; i < team.threads; i++) {
    struct Worker *worker = &workers[i];
    worker->work = work;
    worker->table = table;
    worker->team = &team;
    change(&worker->jobs, worker->jobs.value + 1);
  }
  work(table, 0, &team);
  if (team.threads > 1) wait_for_all(team.threads);
}

static void pool(Work work, char **table, Index threads, Habit *habit, Index steps) {
  static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;
  if (pthread_mutex_trylock(&busy) != 0) {
    work_alone(work, table);
    return;
  }
  long start = nanoseconds();
  if (habit->left > 0) {
    habit->left -= steps;
    work_alone(work, table);
    long time = (nanoseconds() - start) / steps;
    if (habit->alone == 0 || time < habit->alone) habit->alone = time;
  } else {
    slept = 0;
    work_together(work, table, threads);
    habit->calls++;
    habit->time += (nanoseconds() - start) / steps;
    habit->sleeps += slept;
    reconsider(habit, steps);
  }
  pthread_mutex_unlock(&busy);
}

/* This code must stay where it is, whoever lets go of the library: threads are in it until the process ends. */
intptr_t address(void) {
  Dl_info info;
  if (dladdr((void *)pool, &info)) dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
  return (intptr_t)pool;
}
`

let known: bigint | undefined

/** The address of the pool's function; its threads start when they are first needed. */
export function threadPool(): bigint {
  return (known ??= BigInt(loadC(poolSource).func('intptr_t address()')() as number | bigint))
}
