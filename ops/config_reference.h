/*
 * config_reference.h -- the reference page of the configuration, made from the table of keys.
 *
 * Threads: any; it only reads constants.
 */
#ifndef SLUICE_CONFIG_REFERENCE_H
#define SLUICE_CONFIG_REFERENCE_H

#include <stdio.h>

/* Writes the whole page, in Markdown. The same table gives the same bytes. */
void config_reference_print(FILE *out);

#endif
