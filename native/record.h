/* Keys of records: RFC 3394 and HMAC by OpenSSL. See docs/format.md "Keys". */
#ifndef MORTISE_RECORD_H
#define MORTISE_RECORD_H

#include <openssl/evp.h>

#include "page.h"

/* No key: every index of a key is smaller. */
#define NO_KEY UINT32_MAX

/* AES by blocks under one of the page's keys. */
struct block_cipher {
  EVP_CIPHER_CTX *context;
  uint32_t key;
  bool failed;
};

/* Once before all else. False where OpenSSL has not what is needed: the addon is not to be used. */
bool algorithms_fetch(void);

/* OpenSSL's objects for one page; nothing of them is shared between threads. */
struct worker {
  const struct page *page;
  struct block_cipher wrap;
  struct block_cipher unwrap;
  EVP_CIPHER_CTX *gcm;
  EVP_MAC_CTX *hmac;
  /* The key that the last token was made with. */
  uint32_t hmac_key;
  /* OpenSSL failed: another thing than an envelope that is not authentic. */
  bool failed;
};

/* False where OpenSSL failed; the worker must be freed even so. */
bool worker_create(struct worker *worker, const struct page *page);
void worker_free(struct worker *worker);

/* What one HMAC derives from a DEK: the encryption key, and the commitment that is stored. */
struct record_key {
  uint8_t encryption_key[KEY_BYTES];
  uint8_t commitment[COMMITMENT_BYTES];
};

bool record_derive(struct worker *worker, const uint8_t dek[KEY_BYTES], struct record_key *derived);
bool record_wrap(struct worker *worker, uint32_t key, const uint8_t dek[KEY_BYTES],
                 uint8_t wrapped[WRAPPED_BYTES]);

/*
 * Steps 4 and 5 of opening: unwraps the DEK of a head and compares the commitment.
 * Whatever it returns, `dek` and `derived` are the caller's to zero.
 */
bool record_unlock(struct worker *worker, uint32_t key, const uint8_t head[HEAD_BYTES],
                   uint8_t dek[KEY_BYTES], struct record_key *derived);

/* HMAC-SHA-256 of a token; equal keys in a row are set up once. */
bool token_compute(struct worker *worker, uint32_t key, const uint8_t *data, size_t length,
                   uint8_t token[TOKEN_BYTES]);

/*
 * AES-256-GCM. `key` is NULL where it is the one of the call before.
 * An envelope that does not open leaves zeros in `plaintext`.
 */
bool gcm_open(struct worker *worker, const uint8_t *key, const struct field *field,
              const uint8_t *row_id, uint32_t row_id_length, const uint8_t *ciphertext,
              int length, uint8_t *plaintext);
bool gcm_seal(struct worker *worker, const uint8_t *key, const struct field *field,
              const uint8_t *row_id, uint32_t row_id_length, const uint8_t *plaintext, int length,
              uint8_t *ciphertext);

#endif
