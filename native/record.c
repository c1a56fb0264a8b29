#include "record.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/modes.h>
#include <string.h>
#include <uv.h>

/* Fetched once for the process: a fetch by name costs more than the work on a field. Not freed:
 * a worker thread may unload the addon, and OpenSSL counts its references itself. */
static struct {
  EVP_CIPHER *ecb;
  EVP_CIPHER *gcm;
  EVP_MAC *hmac;
} algorithms;
static uv_once_t fetched = UV_ONCE_INIT;

static void fetch(void) {
  algorithms.ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
  algorithms.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
  algorithms.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

bool algorithms_fetch(void) {
  uv_once(&fetched, fetch);
  return algorithms.ecb != NULL && algorithms.gcm != NULL && algorithms.hmac != NULL;
}

static bool create_hmac(struct worker *worker, char *digest) {
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end(),
  };
  worker->hmac = EVP_MAC_CTX_new(algorithms.hmac);
  return worker->hmac != NULL && EVP_MAC_CTX_set_params(worker->hmac, parameters) == 1;
}

static bool create_gcm(struct worker *worker, int encrypt) {
  worker->gcm = EVP_CIPHER_CTX_new();
  return worker->gcm != NULL &&
         EVP_CipherInit_ex(worker->gcm, algorithms.gcm, NULL, NULL, NULL, encrypt) == 1;
}

static bool create_block_cipher(struct block_cipher *cipher, int encrypt) {
  *cipher = (struct block_cipher){.context = EVP_CIPHER_CTX_new(), .key = NO_KEY};
  return cipher->context != NULL &&
         EVP_CipherInit_ex(cipher->context, algorithms.ecb, NULL, NULL, NULL, encrypt) == 1 &&
         EVP_CIPHER_CTX_set_padding(cipher->context, 0) == 1;
}

/* Only what the operation uses: for a page of one value the contexts are most of the work. */
bool worker_create(struct worker *worker, const struct page *page) {
  *worker = (struct worker){.page = page, .hmac_key = NO_KEY};
  switch (page->operation) {
    case OPEN:
      return create_hmac(worker, "SHA512") && create_block_cipher(&worker->unwrap, 0) &&
             create_gcm(worker, 0);
    case SEAL:
      return create_hmac(worker, "SHA512") && create_block_cipher(&worker->wrap, 1) &&
             create_gcm(worker, 1);
    case REWRAP:
      return create_hmac(worker, "SHA512") && create_block_cipher(&worker->unwrap, 0) &&
             create_block_cipher(&worker->wrap, 1);
    default:
      return create_hmac(worker, "SHA256");
  }
}

void worker_free(struct worker *worker) {
  EVP_CIPHER_CTX_free(worker->wrap.context);
  EVP_CIPHER_CTX_free(worker->unwrap.context);
  EVP_CIPHER_CTX_free(worker->gcm);
  EVP_MAC_CTX_free(worker->hmac);
}

/* Notes what can only go wrong in OpenSSL. */
static bool expect(struct worker *worker, bool done) {
  if (!done) worker->failed = true;
  return done;
}

bool record_derive(struct worker *worker, const uint8_t dek[KEY_BYTES],
                   struct record_key *derived) {
  uint8_t okm[KEY_BYTES + COMMITMENT_BYTES];
  size_t length = 0;
  bool done = EVP_MAC_init(worker->hmac, dek, KEY_BYTES, NULL) == 1 &&
              EVP_MAC_update(worker->hmac, worker->page->info, worker->page->info_length) == 1 &&
              EVP_MAC_final(worker->hmac, okm, &length, sizeof okm) == 1 && length == sizeof okm;
  if (done) {
    memcpy(derived->encryption_key, okm, KEY_BYTES);
    memcpy(derived->commitment, okm + KEY_BYTES, COMMITMENT_BYTES);
  }
  OPENSSL_cleanse(okm, sizeof okm);
  return expect(worker, done);
}

/*
 * One AES block for OpenSSL's own RFC 3394. Its cipher id-aes256-wrap is the same function over AES
 * without the processor's instructions: seven times slower.
 */
static void aes_block(const unsigned char in[16], unsigned char out[16], const void *key) {
  struct block_cipher *cipher = (struct block_cipher *)key;
  int length = 0;
  if (EVP_CipherUpdate(cipher->context, out, &length, in, 16) != 1 || length != 16) {
    cipher->failed = true;
  }
}

static bool set_key(struct worker *worker, struct block_cipher *cipher, uint32_t key) {
  if (cipher->key == key) return true;
  cipher->key = NO_KEY;
  const uint8_t *bytes = worker->page->keys[key].bytes;
  if (!expect(worker, EVP_CipherInit_ex(cipher->context, NULL, NULL, bytes, NULL, -1) == 1)) {
    return false;
  }
  cipher->key = key;
  return true;
}

bool record_wrap(struct worker *worker, uint32_t key, const uint8_t dek[KEY_BYTES],
                 uint8_t wrapped[WRAPPED_BYTES]) {
  struct block_cipher *cipher = &worker->wrap;
  return set_key(worker, cipher, key) &&
         expect(worker, CRYPTO_128_wrap(cipher, NULL, wrapped, dek, KEY_BYTES, aes_block) ==
                                WRAPPED_BYTES &&
                            !cipher->failed);
}

bool record_unlock(struct worker *worker, uint32_t key, const uint8_t head[HEAD_BYTES],
                   uint8_t dek[KEY_BYTES], struct record_key *derived) {
  struct block_cipher *cipher = &worker->unwrap;
  if (!set_key(worker, cipher, key)) return false;
  size_t length =
      CRYPTO_128_unwrap(cipher, NULL, dek, head + WRAP_OFFSET, WRAPPED_BYTES, aes_block);
  return expect(worker, !cipher->failed) && length == KEY_BYTES &&
         record_derive(worker, dek, derived) &&
         CRYPTO_memcmp(derived->commitment, head + COMMITMENT_OFFSET, COMMITMENT_BYTES) == 0;
}

bool token_compute(struct worker *worker, uint32_t key, const uint8_t *data, size_t length,
                   uint8_t token[TOKEN_BYTES]) {
  const uint8_t *bytes = worker->hmac_key == key ? NULL : worker->page->keys[key].bytes;
  size_t written = 0;
  worker->hmac_key = NO_KEY;
  bool done = EVP_MAC_init(worker->hmac, bytes, bytes == NULL ? 0 : KEY_BYTES, NULL) == 1 &&
              EVP_MAC_update(worker->hmac, data, length) == 1 &&
              EVP_MAC_final(worker->hmac, token, &written, TOKEN_BYTES) == 1 &&
              written == TOKEN_BYTES;
  if (done) worker->hmac_key = key;
  return done;
}

/* AAD = u8(flags & 0x03) | LP(domain) | LP(field id) | [LP(row id) if b0]. */
static bool add_aad(EVP_CIPHER_CTX *gcm, const struct field *field, const uint8_t *row_id,
                    uint32_t row_id_length) {
  int written;
  if (EVP_CipherUpdate(gcm, NULL, &written, field->aad, (int)field->aad_length) != 1) return false;
  if ((field->aad[0] & ROW_BOUND) == 0) return true;
  uint8_t length[4] = {(uint8_t)(row_id_length >> 24), (uint8_t)(row_id_length >> 16),
                       (uint8_t)(row_id_length >> 8), (uint8_t)row_id_length};
  return EVP_CipherUpdate(gcm, NULL, &written, length, sizeof length) == 1 &&
         EVP_CipherUpdate(gcm, NULL, &written, row_id, (int)row_id_length) == 1;
}

bool gcm_open(struct worker *worker, const uint8_t *key, const struct field *field,
              const uint8_t *row_id, uint32_t row_id_length, const uint8_t *ciphertext,
              int length, uint8_t *plaintext) {
  EVP_CIPHER_CTX *gcm = worker->gcm;
  uint8_t *tag = (uint8_t *)ciphertext + length;
  int written;
  bool decrypted = EVP_DecryptInit_ex(gcm, NULL, NULL, key, field->iv) == 1 &&
                   add_aad(gcm, field, row_id, row_id_length) &&
                   EVP_DecryptUpdate(gcm, plaintext, &written, ciphertext, length) == 1 &&
                   EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1;
  bool authentic = expect(worker, decrypted) &&
                   EVP_DecryptFinal_ex(gcm, plaintext + length, &written) == 1;
  if (!authentic) OPENSSL_cleanse(plaintext, (size_t)length);
  return authentic;
}

bool gcm_seal(struct worker *worker, const uint8_t *key, const struct field *field,
              const uint8_t *row_id, uint32_t row_id_length, const uint8_t *plaintext, int length,
              uint8_t *ciphertext) {
  EVP_CIPHER_CTX *gcm = worker->gcm;
  int written;
  return EVP_EncryptInit_ex(gcm, NULL, NULL, key, field->iv) == 1 &&
         add_aad(gcm, field, row_id, row_id_length) &&
         EVP_EncryptUpdate(gcm, ciphertext, &written, plaintext, length) == 1 &&
         EVP_EncryptFinal_ex(gcm, ciphertext + length, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, ciphertext + length) == 1;
}
