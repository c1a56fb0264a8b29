/*
 * One page of work: what JavaScript passed, copied into memory of our own, so that nothing that
 * happens to a typed array while a page is worked on can be seen here.
 */
#ifndef MORTISE_PAGE_H
#define MORTISE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lengths and offsets of stored format 1; see docs/format.md "Envelope". */
enum {
  MAGIC = 0xe1,
  ROW_BOUND = 0x01,
  AAD_FLAGS = 0x03,
  LOCAL_FLAGS = 0x07,
  KEY_ID_OFFSET = 2,
  WRAP_OFFSET = 10,
  COMMITMENT_OFFSET = 50,
  HEAD_BYTES = 82,
  KEY_ID_BYTES = 8,
  KEY_BYTES = 32,
  WRAPPED_BYTES = 40,
  COMMITMENT_BYTES = 32,
  IV_BYTES = 12,
  TAG_BYTES = 16,
  OVERHEAD_BYTES = HEAD_BYTES + TAG_BYTES,
  TOKEN_BYTES = 32,
  MAX_CIPHERTEXT_BYTES = 64 * 1024 * 1024
};

enum operation { OPEN, SEAL, REWRAP, TOKEN, OPERATIONS };

/* Six words of the index. */
struct value {
  uint32_t key;    /* which of the keys */
  uint32_t field;  /* which of the fields; REWRAP: which of the keys to move to */
  uint32_t offset; /* in the input */
  uint32_t length;
  uint32_t row_id; /* length of the row id, which follows; 0 for none */
  uint32_t dek;    /* SEAL: offset of the record's DEK in the input */
};

struct key {
  const uint8_t *id;
  const uint8_t *bytes;
};

struct field {
  uint8_t flags; /* of the envelopes that are sealed */
  const uint8_t *iv;
  uint8_t *aad; /* a byte for the flags, LP(domain) | LP(field id) */
  size_t aad_length;
};

struct page {
  enum operation operation;
  struct key *keys;
  size_t key_count;
  struct field *fields;
  size_t field_count;
  const struct value *values;
  size_t count;
  const uint8_t *info; /* E("mortise/1/record", domain) | 0x01 */
  size_t info_length;
  const uint8_t *input;
  size_t input_length;
  uint8_t *output;
  size_t output_length;
};

/* What one argument holds. */
struct bytes {
  const uint8_t *data;
  size_t length;
};

enum argument { KEYS, INFO, FIELDS, INDEX, INPUT, ARGUMENTS };

/*
 * Copies the arguments into a page and checks every length and offset in it.
 * Returns NULL and says why where they are no page.
 */
struct page *page_create(enum operation operation, const struct bytes given[ARGUMENTS],
                         const char **problem);

/* Zeroes all memory of a page, keys and plaintexts with it, and lets it go. */
void page_free(struct page *page);

/*
 * Fills the output: OPEN plaintexts, then a status byte for each value; SEAL envelopes; REWRAP key
 * blocks, then status bytes; TOKEN whole HMACs. False where OpenSSL failed.
 */
bool page_run(struct page *page);

/* Status bytes. */
enum { FAILED = 0, DONE = 1, DONE_ASCII = 2 };

#endif
