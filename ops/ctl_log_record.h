/*
 * ctl_log_record.h -- a record of the log as one line that people can read, and grep.
 *
 *     enqueue session=3 entry=7 qos=1 queued topic="a/b" payload[5]="hello"
 *
 * Numbers as they lie in the record, moments as RFC 3339, texts in quotes with everything but
 * printable ASCII as \xNN, payloads and properties with their length and their first bytes. What
 * cannot be decoded shows its first bytes behind "undecodable".
 *
 * Threads: any.
 */
#ifndef SLUICE_CTL_LOG_RECORD_H
#define SLUICE_CTL_LOG_RECORD_H

#include <stdint.h>
#include <stdio.h>

#include "bytes.h"

/* Prints the record's type and what it says, without an end of line. */
void ctl_log_record_print(uint8_t type, struct bytes body, FILE *out);

#endif
