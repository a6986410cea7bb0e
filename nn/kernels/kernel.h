/* What the loops in this folder are compiled with. */
#ifndef GANDER_KERNEL_H
#define GANDER_KERNEL_H

/* Inlined wherever it is used, with what is known there: a loop given a function becomes a vector loop of that function. */
#define INLINE static inline __attribute__((always_inline))

/* Compiled for three generations of processors, of which the one at hand is chosen when the program starts. Each rounds
 * every product and sum by itself, so all give the same bits. The thread sanitizer cannot start with such functions, and
 * Clang 14 gives them names that no other file finds. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define CPU_VARIANTS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CPU_VARIANTS
#endif

#endif
