/*
 * second.h - SipHash-2-4 for a second time, written from the paper, so that
 * what the harnesses and tests/siphash.c expect is not what lib/secret.c
 * happens to do.  The words of the state have the names of the paper.
 */
#ifndef SECOND_H
#define SECOND_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t second_turn(uint64_t x, unsigned bits) {
    return (x << bits) | (x >> (64 - bits));
}

static inline uint64_t second_word(const uint8_t *from, size_t n) {
    uint64_t word = 0;
    while (n > 0) {
        n--;
        word = word * 256 + from[n];
    }
    return word;
}

static inline uint64_t second_siphash(
    const uint8_t *key, const uint8_t *from, size_t n) {
    uint64_t k0 = second_word(key, 8);
    uint64_t k1 = second_word(key + 8, 8);
    uint64_t v0 = k0 ^ UINT64_C(0x736f6d6570736575);
    uint64_t v1 = k1 ^ UINT64_C(0x646f72616e646f6d);
    uint64_t v2 = k0 ^ UINT64_C(0x6c7967656e657261);
    uint64_t v3 = k1 ^ UINT64_C(0x7465646279746573);
    size_t words = n / 8 + 1;
    /* 2 rounds for each word; behind the last word there are 4. */
    for (size_t round = 0; round < 2 * words + 4; round++) {
        size_t i = round / 2;
        uint64_t m = 0;
        if (i < words - 1)
            m = second_word(from + 8 * i, 8);
        if (i == words - 1)
            m = second_word(from + 8 * i, n % 8) | (uint64_t)(n % 256) << 56;
        if (i < words && round % 2 == 0)
            v3 ^= m;
        if (round == 2 * words)
            v2 ^= 0xff;
        v0 += v1;
        v2 += v3;
        v1 = second_turn(v1, 13);
        v3 = second_turn(v3, 16);
        v1 ^= v0;
        v3 ^= v2;
        v0 = second_turn(v0, 32);
        v2 += v1;
        v0 += v3;
        v1 = second_turn(v1, 17);
        v3 = second_turn(v3, 21);
        v1 ^= v2;
        v3 ^= v0;
        v2 = second_turn(v2, 32);
        if (i < words && round % 2 == 1)
            v0 ^= m;
    }
    return v0 ^ v1 ^ v2 ^ v3;
}

/* A proof of GAT2: 8 bytes for a role of 6 letters, both nonces, and what
 * follows them. */
static inline void second_proof(uint8_t *proof, const uint8_t *secret,
    const char *role, const uint8_t *client_nonce, const uint8_t *server_nonce,
    const uint8_t *rest, size_t bytes_of_rest) {
    uint8_t all[6 + 16 + 16 + 8];
    size_t n = 0;
    for (size_t i = 0; i < 6; i++)
        all[n++] = (uint8_t)role[i];
    for (size_t i = 0; i < 16; i++)
        all[n++] = client_nonce[i];
    for (size_t i = 0; i < 16; i++)
        all[n++] = server_nonce[i];
    for (size_t i = 0; i < bytes_of_rest; i++)
        all[n++] = rest[i];
    uint64_t hash = second_siphash(secret, all, n);
    for (size_t i = 0; i < 8; i++) {
        proof[i] = (uint8_t)(hash & 0xff);
        hash >>= 8;
    }
}

#endif
