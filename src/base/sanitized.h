/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRAIT_BASE_SANITIZED_H
#define STRAIT_BASE_SANITIZED_H

/*
 * Sanitizers make system calls and take memory of their own: a program built with one goes without seccomp, Landlock
 * and limits of memory.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRAIT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STRAIT_SANITIZED 1
#endif
#endif
#ifndef STRAIT_SANITIZED
#define STRAIT_SANITIZED 0
#endif

#endif
