/*
 * metrics_reference_main.c -- a program that prints the page of the metrics, or says whether it is
 * stale: metrics_reference [--check docs/metrics.md].
 */
#include "metrics_reference.h"
#include "reference_page.h"

int main(int argc, char **argv)
{
    return reference_page_main(argc, argv, metrics_reference_print);
}
