/*
 * tsan.h -- telling the thread sanitizer about order that it cannot see.
 *
 * ck orders memory with inline assembly, which ThreadSanitizer does not understand: it would report
 * every record that crosses a ring as a race. Around such code the releasing side says
 * TSAN_RELEASE(address) before its store becomes visible, the acquiring side TSAN_ACQUIRE(address)
 * before it reads. Without the sanitizer both are nothing.
 *
 * Threads: any.
 */
#ifndef SLUICE_TSAN_H
#define SLUICE_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define TSAN_IS_ON 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN_IS_ON 1
#endif
#endif

#ifdef TSAN_IS_ON
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define TSAN_ACQUIRE(address) __tsan_acquire((void *)(address))
#define TSAN_RELEASE(address) __tsan_release((void *)(address))
#else
#define TSAN_ACQUIRE(address) ((void)(address))
#define TSAN_RELEASE(address) ((void)(address))
#endif

#endif
