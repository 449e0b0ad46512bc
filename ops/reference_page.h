/*
 * reference_page.h -- what the programs that print a page of the documentation have in common.
 *
 *   NAME                       prints the page
 *   NAME --check docs/PAGE.md  status 1 if the file is not that page
 *
 * Part of the build and the tests, not installed. Threads: main.
 */
#ifndef SLUICE_REFERENCE_PAGE_H
#define SLUICE_REFERENCE_PAGE_H

#include <stdio.h>

/* The main of such a program; returns its exit status. `print` writes the whole page. */
int reference_page_main(int argc, char **argv, void (*print)(FILE *out));

#endif
