/*
 * edit_distance.c -- how far one name is from another.
 *
 * Optimal string alignment by rows: cell (i, j) is the cost of turning the first i characters of
 * `a` into the first j of `b`, and needs the two rows above for the exchange of neighbours. Three
 * rows of EDIT_NAME_LEN_MAX + 1 cells on the stack take turns.
 */
#include "edit_distance.h"

#include "check.h"

#include <string.h>

static uint32_t edit_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t edit_distance(const char *a, const char *b)
{
    CHECK(a != NULL && b != NULL);
    size_t a_len = strnlen(a, EDIT_NAME_LEN_MAX + 1);
    size_t b_len = strnlen(b, EDIT_NAME_LEN_MAX + 1);
    if (a_len > EDIT_NAME_LEN_MAX || b_len > EDIT_NAME_LEN_MAX)
        return UINT32_MAX;

    uint32_t rows[3][EDIT_NAME_LEN_MAX + 1];
    for (uint32_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (uint32_t i = 1; i <= a_len; i++) {
        uint32_t *row = rows[i % 3];
        const uint32_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (uint32_t j = 1; j <= b_len; j++) {
            uint32_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = edit_min(edit_min(above[j], row[j - 1]) + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = edit_min(row[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

bool edit_distance_is_near(const char *name, const char *known, uint32_t *out_distance)
{
    CHECK(out_distance != NULL);
    uint32_t distance = edit_distance(name, known);
    if (distance == UINT32_MAX)
        return false;
    size_t name_len = strlen(name);
    size_t known_len = strlen(known);
    uint32_t longer = (uint32_t)(name_len > known_len ? name_len : known_len);
    uint32_t allowed = longer / 3 > 1 ? longer / 3 : 1;
    if (distance > allowed)
        return false;
    *out_distance = distance;
    return true;
}
