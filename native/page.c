#include "page.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum {
  KEY_ENTRY_BYTES = KEY_ID_BYTES + KEY_BYTES,
  /* flags | iv | u16 length of the AAD; the AAD follows */
  FIELD_ENTRY_BYTES = 1 + IV_BYTES + 2,
  /* The output must fit a Buffer, the input the 32-bit offsets of the index. */
  MAX_BYTES = 0x7fffffff
};

/* Lengths are added up here without a look at what a smaller size_t could hold. */
_Static_assert(sizeof(size_t) == 8, "the native path is for 64-bit platforms");

/* The page itself comes first, and after it, aligned, what it points to. */
struct block {
  struct page page;
  size_t size;
};

static size_t aligned(size_t size) {
  return (size + 15) & ~(size_t)15;
}

static bool count_fields(struct bytes table, size_t *count) {
  size_t at = 0;
  for (*count = 0; at < table.length; ++*count) {
    if (table.length - at < FIELD_ENTRY_BYTES) return false;
    const uint8_t *length = table.data + at + 1 + IV_BYTES;
    size_t entry = FIELD_ENTRY_BYTES + ((size_t)length[0] << 8 | length[1]);
    /* An AAD has at least its byte of flags. */
    if (entry == FIELD_ENTRY_BYTES || table.length - at < entry) return false;
    at += entry;
  }
  return true;
}

static void read_fields(struct page *page, uint8_t *table) {
  for (size_t i = 0; i < page->field_count; i++) {
    struct field *field = &page->fields[i];
    field->flags = table[0];
    field->iv = table + 1;
    field->aad_length = (size_t)table[1 + IV_BYTES] << 8 | table[2 + IV_BYTES];
    field->aad = table + FIELD_ENTRY_BYTES;
    table += FIELD_ENTRY_BYTES + field->aad_length;
  }
}

static void read_keys(struct page *page, const uint8_t *table) {
  for (size_t i = 0; i < page->key_count; i++, table += KEY_ENTRY_BYTES) {
    page->keys[i].id = table;
    page->keys[i].bytes = table + KEY_ID_BYTES;
  }
}

static bool within(uint64_t offset, uint64_t length, size_t available) {
  return offset + length <= available;
}

static bool right_length(enum operation operation, uint32_t length) {
  switch (operation) {
    case OPEN:
      return length > OVERHEAD_BYTES && length <= OVERHEAD_BYTES + MAX_CIPHERTEXT_BYTES;
    case SEAL:
      return length > 0 && length <= MAX_CIPHERTEXT_BYTES;
    case REWRAP:
      return length == HEAD_BYTES;
    default:
      return true;
  }
}

/* Of an envelope that is sealed. */
static bool right_flags(uint8_t flags, uint32_t row_id) {
  return (flags & ~LOCAL_FLAGS) == 0 && ((flags & ROW_BOUND) == 0 || row_id > 0);
}

static bool right_names(const struct page *page, const struct value *value) {
  if (value->key >= page->key_count) return false;
  switch (page->operation) {
    case OPEN:
      return value->field < page->field_count;
    case SEAL:
      return value->field < page->field_count &&
             within(value->dek, KEY_BYTES, page->input_length) &&
             right_flags(page->fields[value->field].flags, value->row_id);
    case REWRAP:
      return value->field < page->key_count;
    default:
      return true;
  }
}

static size_t output_bytes(enum operation operation, uint32_t length) {
  switch (operation) {
    case OPEN:
      return length - OVERHEAD_BYTES + 1;
    case SEAL:
      return length + OVERHEAD_BYTES;
    case REWRAP:
      return COMMITMENT_OFFSET + 1;
    default:
      return TOKEN_BYTES;
  }
}

/* Also adds up what the output needs. */
static bool check_values(struct page *page) {
  uint64_t total = 0;
  for (size_t i = 0; i < page->count; i++) {
    const struct value *value = &page->values[i];
    uint64_t length = (uint64_t)value->length + value->row_id;
    if (!within(value->offset, length, page->input_length) ||
        !right_length(page->operation, value->length) || !right_names(page, value)) {
      return false;
    }
    total += output_bytes(page->operation, value->length);
    if (total > MAX_BYTES) return false;
  }
  page->output_length = (size_t)total;
  return true;
}

static struct page *refuse(struct page *page, const char *reason, const char **problem) {
  page_free(page);
  *problem = reason;
  return NULL;
}

struct page *page_create(enum operation operation, const struct bytes given[ARGUMENTS],
                         const char **problem) {
  size_t keys = given[KEYS].length / KEY_ENTRY_BYTES;
  size_t values = given[INDEX].length / sizeof(struct value);
  size_t fields;
  for (int i = 0; i < ARGUMENTS; i++) {
    if (given[i].length > MAX_BYTES) return refuse(NULL, "too long", problem);
  }
  if (given[KEYS].length % KEY_ENTRY_BYTES != 0) return refuse(NULL, "malformed keys", problem);
  if (given[INDEX].length % sizeof(struct value) != 0) {
    return refuse(NULL, "malformed index", problem);
  }
  if (!count_fields(given[FIELDS], &fields)) return refuse(NULL, "malformed fields", problem);

  size_t at = aligned(sizeof(struct block));
  size_t keys_at = at;
  size_t fields_at = keys_at + aligned(keys * sizeof(struct key));
  size_t size = fields_at + aligned(fields * sizeof(struct field));
  size_t copies[ARGUMENTS];
  for (int i = 0; i < ARGUMENTS; i++) {
    copies[i] = size;
    size += aligned(given[i].length);
  }
  uint8_t *memory = malloc(size);
  if (memory == NULL) return refuse(NULL, "out of memory", problem);
  memset(memory, 0, sizeof(struct block));
  for (int i = 0; i < ARGUMENTS; i++) {
    if (given[i].length > 0) memcpy(memory + copies[i], given[i].data, given[i].length);
  }

  struct page *page = &((struct block *)memory)->page;
  ((struct block *)memory)->size = size;
  page->operation = operation;
  page->keys = (struct key *)(memory + keys_at);
  page->key_count = keys;
  page->fields = (struct field *)(memory + fields_at);
  page->values = (const struct value *)(memory + copies[INDEX]);
  page->count = values;
  page->info = memory + copies[INFO];
  page->info_length = given[INFO].length;
  page->input = memory + copies[INPUT];
  page->input_length = given[INPUT].length;
  /* Counted again in the copy: the memory that was given may be shared with another thread. */
  struct bytes copied = {memory + copies[FIELDS], given[FIELDS].length};
  if (!count_fields(copied, &page->field_count) || page->field_count != fields) {
    return refuse(page, "malformed fields", problem);
  }
  read_fields(page, memory + copies[FIELDS]);
  read_keys(page, memory + copies[KEYS]);
  if (!check_values(page)) return refuse(page, "malformed index", problem);
  page->output = malloc(page->output_length > 0 ? page->output_length : 1);
  if (page->output == NULL) return refuse(page, "out of memory", problem);
  return page;
}

void page_free(struct page *page) {
  if (page == NULL) return;
  struct block *block = (struct block *)page;
  if (page->output != NULL) OPENSSL_cleanse(page->output, page->output_length);
  free(page->output);
  OPENSSL_cleanse(block, block->size);
  free(block);
}
