/*
 * secret.c - secrets, nonces and proofs.  A proof is a SipHash-2-4, a keyed
 * function of which nobody who lacks the key can tell the values from random
 * ones (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 *
 * What is proved: the role, so that a proof cannot be sent back to who made
 * it; both nonces, so that a conversation cannot be played back; and the
 * client's header, so that nobody on the way can change it.  What remains
 * possible is to relay everything to the real server.
 */
#include "secret.h"
#include <fcntl.h>

#define ROLE_SIZE 6 /* "server", "client" */

static unsigned char nonce_key[SECRET_SIZE]; /* never leaves the process and
                                              * its children */

/* Bytes of the system that nobody can guess.  Returns 0, or -1 with errno
 * set. */
static int random_bytes(unsigned char *bytes, size_t n) {
    int fd = open("/dev/urandom", O_RDONLY);
    if (fd < 0)
        return -1;
    errno = 0;
    size_t got = readn(fd, bytes, n, 0);
    int error = errno != 0 ? errno : EIO; /* there was too little */
    close(fd);                            /* it was only read */
    errno = error;
    return got == n ? 0 : -1;
}

/* Makes the secret of a run, of SECRET_SIZE bytes, and what nonces come from;
 * once, before the first fork.  Returns 0, or -1 with errno set. */
int secret_make(unsigned char *secret) {
    unsigned char bytes[2 * SECRET_SIZE];
    if (random_bytes(bytes, sizeof(bytes)) < 0)
        return -1;
    memcpy(secret, bytes, SECRET_SIZE);
    memcpy(nonce_key, bytes + SECRET_SIZE, SECRET_SIZE);
    return 0;
}

static uint64_t rotate_left(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

/* Up to 8 bytes as a number, the first one the least significant. */
static uint64_t little_endian(const unsigned char *bytes, size_t n) {
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

/* SipHash-2-4 of n bytes; the key has 16. */
uint64_t siphash(
    const unsigned char *key, const unsigned char *data, size_t n) {
    uint64_t k0 = little_endian(key, 8);
    uint64_t k1 = little_endian(key + 8, 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
        k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    for (size_t i = 0; i <= n / 8; i++) {
        bool last = i == n / 8;
        uint64_t word = little_endian(data + 8 * i, last ? n % 8 : 8);
        if (last)
            word |= (uint64_t)n << 56;
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Puts a hash into 8 bytes, the least significant first, as its authors do. */
static void put_hash(unsigned char *bytes, uint64_t hash) {
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(hash >> (8 * i));
}

/* A nonce that was never used before, and that nobody can guess: a function,
 * with a key that nobody else has, of this process and a count. */
void secret_nonce(unsigned char *nonce) {
    static uint64_t count;
    unsigned char input[24];
    put_hash(input, (uint64_t)getpid());
    for (int half = 0; half < 2; half++) {
        put_hash(input + 8, count);
        put_hash(input + 16, (uint64_t)half);
        put_hash(nonce + (size_t)8 * (size_t)half,
            siphash(nonce_key, input, sizeof(input)));
    }
    count++;
}

/* The server's proof, of PROOF_SIZE bytes, that it knows the secret. */
void secret_prove_server(unsigned char *proof, const unsigned char *secret,
    const struct challenge *challenge) {
    unsigned char input[ROLE_SIZE + sizeof(*challenge)];
    memcpy(input, "server", ROLE_SIZE);
    memcpy(input + ROLE_SIZE, challenge, sizeof(*challenge));
    put_hash(proof, siphash(secret, input, sizeof(input)));
}

/* The client's, which holds for its header as well. */
void secret_prove_client(unsigned char *proof, const unsigned char *secret,
    const struct challenge *challenge, const unsigned char *header) {
    unsigned char input[ROLE_SIZE + sizeof(*challenge) + HEADER_SIZE];
    memcpy(input, "client", ROLE_SIZE);
    memcpy(input + ROLE_SIZE, challenge, sizeof(*challenge));
    memcpy(input + ROLE_SIZE + sizeof(*challenge), header, HEADER_SIZE);
    put_hash(proof, siphash(secret, input, sizeof(input)));
}

/* Are these the same?  Takes as long in any case, so that nobody can find a
 * proof byte by byte. */
bool secret_equal(const unsigned char *a, const unsigned char *b, size_t n) {
    unsigned char differ = 0;
    for (size_t i = 0; i < n; i++)
        differ |= a[i] ^ b[i];
    return differ == 0;
}
