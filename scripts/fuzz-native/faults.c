/*
 * What stands between the addon and the functions that it calls, in the variant that is fuzzed: the
 * n-th call from now on can be made to fail, and memory that is given back must be zeroed.
 */
#include <malloc.h>
#include <node_api.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Blocks without secrets: struct job, and what stands for an output of no bytes. */
enum { JOB_BYTES = 32, NO_BYTES = 1 };

static atomic_int countdown;
static atomic_int blocks;

static int fails(void) {
  return atomic_load(&countdown) > 0 && atomic_fetch_sub(&countdown, 1) == 1;
}

/* A function whose failure is `failure`. */
#define FAILING(type, failure, name, parameters, arguments) \
  type __real_##name parameters;                            \
  type __wrap_##name parameters;                            \
  type __wrap_##name parameters {                           \
    return fails() ? failure : __real_##name arguments;     \
  }

FAILING(int, 0, EVP_MAC_CTX_set_params, (EVP_MAC_CTX * mac, const OSSL_PARAM p[]), (mac, p))
FAILING(int, 0, EVP_MAC_init,
        (EVP_MAC_CTX * mac, const unsigned char *key, size_t length, const OSSL_PARAM p[]),
        (mac, key, length, p))
FAILING(int, 0, EVP_MAC_update, (EVP_MAC_CTX * mac, const unsigned char *data, size_t length),
        (mac, data, length))
FAILING(int, 0, EVP_MAC_final,
        (EVP_MAC_CTX * mac, unsigned char *out, size_t *length, size_t size),
        (mac, out, length, size))
FAILING(int, 0, EVP_CipherInit_ex,
        (EVP_CIPHER_CTX * c, const EVP_CIPHER *type, ENGINE *engine, const unsigned char *key,
         const unsigned char *iv, int enc),
        (c, type, engine, key, iv, enc))
FAILING(int, 0, EVP_CipherUpdate,
        (EVP_CIPHER_CTX * c, unsigned char *out, int *written, const unsigned char *in, int length),
        (c, out, written, in, length))
FAILING(int, 0, EVP_CIPHER_CTX_ctrl, (EVP_CIPHER_CTX * c, int type, int arg, void *ptr),
        (c, type, arg, ptr))
FAILING(int, 0, EVP_CIPHER_CTX_set_padding, (EVP_CIPHER_CTX * c, int padding), (c, padding))
FAILING(int, 0, EVP_DecryptInit_ex,
        (EVP_CIPHER_CTX * c, const EVP_CIPHER *type, ENGINE *engine, const unsigned char *key,
         const unsigned char *iv),
        (c, type, engine, key, iv))
FAILING(int, 0, EVP_DecryptUpdate,
        (EVP_CIPHER_CTX * c, unsigned char *out, int *written, const unsigned char *in, int length),
        (c, out, written, in, length))
FAILING(int, 0, EVP_EncryptInit_ex,
        (EVP_CIPHER_CTX * c, const EVP_CIPHER *type, ENGINE *engine, const unsigned char *key,
         const unsigned char *iv),
        (c, type, engine, key, iv))
FAILING(int, 0, EVP_EncryptUpdate,
        (EVP_CIPHER_CTX * c, unsigned char *out, int *written, const unsigned char *in, int length),
        (c, out, written, in, length))
FAILING(int, 0, EVP_EncryptFinal_ex, (EVP_CIPHER_CTX * c, unsigned char *out, int *written),
        (c, out, written))
FAILING(napi_status, napi_generic_failure, napi_create_buffer_copy,
        (napi_env env, size_t length, const void *data, void **copy, napi_value *result),
        (env, length, data, copy, result))
FAILING(napi_status, napi_generic_failure, napi_create_promise,
        (napi_env env, napi_deferred *deferred, napi_value *promise), (env, deferred, promise))
FAILING(napi_status, napi_generic_failure, napi_create_async_work,
        (napi_env env, napi_value resource, napi_value name, napi_async_execute_callback execute,
         napi_async_complete_callback complete, void *data, napi_async_work *result),
        (env, resource, name, execute, complete, data, result))
FAILING(napi_status, napi_generic_failure, napi_queue_async_work,
        (napi_env env, napi_async_work work), (env, work))

/* Functions that give something which is to be given back. */
#define TAKING(type, name, parameters, arguments)      \
  type __real_##name parameters;                       \
  type __wrap_##name parameters;                       \
  type __wrap_##name parameters {                      \
    type taken = fails() ? NULL : __real_##name arguments; \
    if (taken != NULL) atomic_fetch_add(&blocks, 1);   \
    return taken;                                      \
  }

TAKING(void *, malloc, (size_t size), (size))
TAKING(void *, calloc, (size_t count, size_t size), (count, size))
TAKING(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), ())
TAKING(EVP_MAC_CTX *, EVP_MAC_CTX_new, (EVP_MAC * mac), (mac))

#define GIVING(name, parameter)                       \
  void __real_##name(parameter);                      \
  void __wrap_##name(parameter);                      \
  void __wrap_##name(parameter) {                     \
    if (given != NULL) atomic_fetch_sub(&blocks, 1);  \
    __real_##name(given);                             \
  }

GIVING(EVP_CIPHER_CTX_free, EVP_CIPHER_CTX *given)
GIVING(EVP_MAC_CTX_free, EVP_MAC_CTX *given)

void __real_free(void *given);
void __wrap_free(void *given);
void __wrap_free(void *given) {
  size_t size = given == NULL ? 0 : malloc_usable_size(given);
  const unsigned char *bytes = given;
  for (size_t i = 0; i < size; i++) {
    if (bytes[i] == 0 || size == JOB_BYTES || size == NO_BYTES) continue;
    fprintf(stderr, "a block of %zu bytes was given back with its content\n", size);
    abort();
  }
  if (given != NULL) atomic_fetch_sub(&blocks, 1);
  __real_free(given);
}

/* failAt(n): the n-th of these calls from now on fails; 0 for none. Gives what was left to count. */
static napi_value fail_at(napi_env env, napi_callback_info info) {
  napi_value given, result;
  size_t count = 1;
  int32_t at = 0;
  napi_get_cb_info(env, info, &count, &given, NULL, NULL);
  napi_get_value_int32(env, given, &at);
  napi_create_int32(env, atomic_exchange(&countdown, at), &result);
  return result;
}

/* blocks(): how many of what was taken have not been given back. */
static napi_value count_blocks(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value result;
  napi_create_int32(env, atomic_load(&blocks), &result);
  return result;
}

napi_status __real_napi_define_properties(napi_env env, napi_value object, size_t count,
                                          const napi_property_descriptor *members);
napi_status __wrap_napi_define_properties(napi_env env, napi_value object, size_t count,
                                          const napi_property_descriptor *members);
napi_status __wrap_napi_define_properties(napi_env env, napi_value object, size_t count,
                                          const napi_property_descriptor *members) {
  napi_property_descriptor more[] = {
      {.utf8name = "failAt", .method = fail_at, .attributes = napi_enumerable},
      {.utf8name = "blocks", .method = count_blocks, .attributes = napi_enumerable},
  };
  __real_napi_define_properties(env, object, 2, more);
  return __real_napi_define_properties(env, object, count, members);
}
