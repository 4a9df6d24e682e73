/*
 * mpi.c - gather's demonstration as MPI people would write it.  Rank 0 stands
 * for the parent, the others for its children; each of these fills an array,
 * and MPI_Gatherv() brings all of them to rank 0.
 *
 *     mpirun -n 21 mpi bytes
 *
 * The clock runs on rank 0, from a barrier that all pass when their arrays are
 * filled until the call has returned: starting the processes is left out, to
 * the benefit of MPI.  As counts are of type int, the unit is 8 bytes, and
 * the size is rounded down to it.  Prints seconds and MB/s, if the bytes are
 * right.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t word(uint64_t child, uint64_t i) {
    return (2 * child + 1) * 0x9e3779b97f4a7c15u * (i + 1);
}

int main(int argc, char **argv) {
    int rank, ranks, right = 1;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    size_t words = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) / 8 : 0;
    size_t children = (size_t)ranks - 1;
    uint64_t *array = malloc((words + 1) * 8), *all = NULL;
    int *counts = calloc((size_t)ranks, sizeof(int));
    int *places = calloc((size_t)ranks, sizeof(int));
    if (rank == 0)
        all = malloc(words * children * 8 + 8);
    if (array == NULL || counts == NULL || places == NULL ||
        (rank == 0 && all == NULL)) {
        fputs("mpi: unable to hold the arrays\n", stderr);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    for (size_t i = 0; rank > 0 && i < words; i++)
        array[i] = word((uint64_t)rank - 1, i);
    for (int k = 1; k < ranks; k++) {
        counts[k] = (int)words;
        places[k] = (int)((size_t)(k - 1) * words);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime();
    MPI_Gatherv(array, rank > 0 ? (int)words : 0, MPI_UINT64_T, all, counts,
        places, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    double took = MPI_Wtime() - start;
    for (size_t k = 0; rank == 0 && k < children; k++)
        for (size_t i = 0; i < words; i++)
            right &= all[k * words + i] == word(k, i);
    if (rank == 0 && right)
        printf("%.6f s, %.1f MB/s\n", took,
            (double)(words * children * 8) / 1e6 / took);
    if (rank == 0 && !right)
        fputs("mpi: the bytes are wrong\n", stderr);
    MPI_Finalize();
    return right ? 0 : 1;
}
