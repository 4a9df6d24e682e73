/*
 * secret.h - proofs that somebody knows a secret, which is not shown.
 */
#ifndef SECRET_H
#define SECRET_H

#include "../protocol.h"
#include "gather.h"

/* Everything that a proof is about. */
struct challenge {
    unsigned char client_nonce[NONCE_SIZE];
    unsigned char server_nonce[NONCE_SIZE];
};

uint64_t siphash(
    const unsigned char *key, const unsigned char *data, size_t n);
void secret_nonce(unsigned char *nonce);
void secret_prove_server(unsigned char *proof, const unsigned char *secret,
    const struct challenge *challenge);
void secret_prove_client(unsigned char *proof, const unsigned char *secret,
    const struct challenge *challenge, const unsigned char *header);
bool secret_equal(const unsigned char *a, const unsigned char *b, size_t n);

#endif
