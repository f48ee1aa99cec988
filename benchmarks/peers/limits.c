// Machine limits: peak f32 FMA GFLOP/s (512/256/128-bit vectors) and memory bandwidth, 1 and 2 threads.
// gcc -O3 -march=native -pthread limits.c -o limits && ./limits   (x86-64 with AVX-512)
#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
static double now(void){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec+1e-9*t.tv_nsec;}
static void pin(int c){cpu_set_t s;CPU_ZERO(&s);CPU_SET(c,&s);pthread_setaffinity_np(pthread_self(),sizeof s,&s);}
#define ITER 20000000L
// 14 independent accumulators held in registers (latency 4 x 2 per cycle = 8 needed); the asm is the instruction under test
#define TEN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#define DECL(i) a##i=z,
#define KERNEL(NAME,T,W,SET1,BODY) \
static double NAME(void){ T z=SET1(0.5f),m=SET1(0.999999f),c=SET1(1e-7f),TEN(DECL) e=z; \
 double t0=now(); for(long n=0;n<ITER;n++){ TEN(BODY) } double t=now()-t0; \
 __asm__ volatile(""::"v"(a0),"v"(a1),"v"(a2),"v"(a3),"v"(a4),"v"(a5),"v"(a6),"v"(a7),"v"(a8),"v"(a9),"v"(a10),"v"(a11),"v"(a12),"v"(a13),"v"(e)); \
 return (double)ITER*14*W*2/t*1e-9; }
#define FMA(i) __asm__ volatile("vfmadd213ps %2,%1,%0":"+v"(a##i):"v"(m),"v"(c));
#define MA(i) __asm__ volatile("vmulps %1,%0,%0\n\tvaddps %2,%0,%0":"+v"(a##i):"v"(m),"v"(c));
KERNEL(f512,__m512,16,_mm512_set1_ps,FMA)
KERNEL(f256,__m256,8,_mm256_set1_ps,FMA)
KERNEL(f128,__m128,4,_mm_set1_ps,FMA)
KERNEL(m128,__m128,4,_mm_set1_ps,MA) // what non-relaxed wasm SIMD can do: separate mul and add
typedef struct{int id,kind;double r;float*a,*b,*c;size_t n;pthread_barrier_t*bar;}arg;
static double (*fk[])(void)={f512,f256,f128,m128};
static void*fth(void*p){arg*A=p;pin(A->id);pthread_barrier_wait(A->bar);double best=0;for(int i=0;i<3;i++){double r=fk[A->kind]();if(r>best)best=r;}A->r=best;return 0;}
__attribute__((noinline)) static void copyk(float*a,const float*b,size_t n){for(size_t i=0;i<n;i+=16)_mm512_store_ps(a+i,_mm512_load_ps(b+i));}
__attribute__((noinline)) static void copynt(float*a,const float*b,size_t n){for(size_t i=0;i<n;i+=16)_mm512_stream_ps(a+i,_mm512_load_ps(b+i));_mm_sfence();}
__attribute__((noinline)) static void triad(float*a,const float*b,const float*c,size_t n){__m512 s=_mm512_set1_ps(3.f);for(size_t i=0;i<n;i+=16)_mm512_store_ps(a+i,_mm512_fmadd_ps(s,_mm512_load_ps(c+i),_mm512_load_ps(b+i)));}
__attribute__((noinline)) static float readk(const float*b,size_t n){__m512 s=_mm512_setzero_ps(),t=s,u=s,v=s;for(size_t i=0;i<n;i+=64){s=_mm512_add_ps(s,_mm512_load_ps(b+i));t=_mm512_add_ps(t,_mm512_load_ps(b+i+16));u=_mm512_add_ps(u,_mm512_load_ps(b+i+32));v=_mm512_add_ps(v,_mm512_load_ps(b+i+48));}return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s,t),_mm512_add_ps(u,v)));}
static volatile float sink;
static void*mth(void*p){arg*A=p;pin(A->id);double best=1e9;for(int i=0;i<6;i++){pthread_barrier_wait(A->bar);double t0=now();
 if(A->kind==0)copyk(A->a,A->b,A->n);else if(A->kind==1)copynt(A->a,A->b,A->n);else if(A->kind==2)triad(A->a,A->b,A->c,A->n);else sink=readk(A->b,A->n);
 pthread_barrier_wait(A->bar);double t=now()-t0;if(t<best)best=t;}A->r=best;return 0;}
int main(void){
 const char*fn[]={"fma512","fma256","fma128","muladd128 (no fma, as plain wasm simd)"};
 for(int k=0;k<4;k++)for(int T=1;T<=2;T++){pthread_t th[2];arg A[2];pthread_barrier_t b;pthread_barrier_init(&b,0,T);
  for(int i=0;i<T;i++){A[i]=(arg){.id=i,.kind=k,.bar=&b};pthread_create(&th[i],0,fth,&A[i]);}
  double s=0;for(int i=0;i<T;i++){pthread_join(th[i],0);s+=A[i].r;}
  printf("%-40s %d thread(s): %7.1f GFLOP/s\n",fn[k],T,s);fflush(stdout);}
 const char*mn[]={"copy","copy (non-temporal stores)","triad","read"};double bytes[]={2,2,3,1};
 for(int big=0;big<3;big++){ size_t N=big==2?((size_t)512<<20)/4:big==1?((size_t)8<<20)/4:((size_t)256<<10)/4; // 512 MiB (DRAM) / 8 MiB (L3) / 256 KiB (L2) arrays
  float*a=aligned_alloc(4096,N*4),*bb=aligned_alloc(4096,N*4),*c=aligned_alloc(4096,N*4);memset(a,0,N*4);memset(bb,0,N*4);memset(c,0,N*4);
  for(int k=0;k<4;k++)for(int T=1;T<=2;T++){pthread_t th[2];arg A[2];pthread_barrier_t b;pthread_barrier_init(&b,0,T);
   size_t n=N/T;for(int i=0;i<T;i++){A[i]=(arg){.id=i,.kind=k,.bar=&b,.a=a+i*n,.b=bb+i*n,.c=c+i*n,.n=n};pthread_create(&th[i],0,mth,&A[i]);}
   double t=0;for(int i=0;i<T;i++){pthread_join(th[i],0);if(A[i].r>t)t=A[i].r;}
   printf("%-28s %6zu KiB arrays %d thread(s): %6.1f GB/s\n",mn[k],N*4>>10,T,bytes[k]*N*4/t*1e-9);fflush(stdout);}
  free(a);free(bb);free(c);}
 return 0;}
