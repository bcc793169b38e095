/* What is seen of the twin whenever time can pass, written to the file `seen` when pan ends: one
 * line for each different sight, in the order of `Seen` in tests/src/twin.rs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBSERVED 24

static unsigned char (*observed)[OBSERVED];
static unsigned long observed_size, observed_count;

static unsigned long place_of(const unsigned char *one, unsigned char (*table)[OBSERVED],
                              unsigned long size) {
    unsigned long hash = 14695981039346656037UL;
    for (int i = 0; i < OBSERVED; i++) {
        hash = (hash ^ one[i]) * 1099511628211UL;
    }
    hash ^= hash >> 32;
    /* The last byte of what is noted is never zero: a place with a zero there is free. */
    while (table[hash % size][OBSERVED - 1] != 0 &&
           memcmp(table[hash % size], one, OBSERVED) != 0) {
        hash++;
    }
    return hash % size;
}

static void write_observed(void) {
    FILE *file = fopen("seen", "w");
    if (file == NULL) {
        perror("seen");
        return;
    }
    for (unsigned long i = 0; i < observed_size; i++) {
        if (observed[i][OBSERVED - 1] == 0) {
            continue;
        }
        for (int j = 0; j < OBSERVED - 1; j++) {
            fprintf(file, "%d ", observed[i][j]);
        }
        fprintf(file, "%d\n", observed[i][OBSERVED - 1] - 1);
    }
    fclose(file);
}

static void grow_observed(void) {
    unsigned long size = observed_size == 0 ? 1UL << 16 : observed_size * 4;
    unsigned char (*table)[OBSERVED] = calloc(size, OBSERVED);
    if (table == NULL) {
        perror("observe");
        exit(1);
    }
    for (unsigned long i = 0; i < observed_size; i++) {
        if (observed[i][OBSERVED - 1] != 0) {
            memcpy(table[place_of(observed[i], table, size)], observed[i], OBSERVED);
        }
    }
    if (observed_size == 0) {
        atexit(write_observed);
    }
    free(observed);
    observed = table;
    observed_size = size;
}

static void note(const unsigned char *one) {
    if (observed_count * 2 >= observed_size) {
        grow_observed();
    }
    unsigned long place = place_of(one, observed, observed_size);
    observed_count += observed[place][OBSERVED - 1] == 0;
    memcpy(observed[place], one, OBSERVED);
}
