/*
 * config_reference_main.c -- a program that prints the page of the configuration, or says whether
 * it is stale: config_reference [--check docs/configuration.md].
 */
#include "config_reference.h"
#include "reference_page.h"

int main(int argc, char **argv)
{
    return reference_page_main(argc, argv, config_reference_print);
}
