#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#include "record.h"

/* Fields of one row that two statements wrote alternate between records; a few are remembered. */
enum { REMEMBERED = 8 };

struct open_record {
  bool used;
  uint32_t key;
  uint8_t block[HEAD_BYTES - KEY_ID_OFFSET]; /* key id, wrapped DEK, commitment */
  uint8_t encryption_key[KEY_BYTES];
};

struct open_records {
  struct open_record entries[REMEMBERED];
  size_t next;
};

static struct open_record *find_record(struct open_records *records, uint32_t key,
                                       const uint8_t *head) {
  for (size_t i = 0; i < REMEMBERED; i++) {
    struct open_record *record = &records->entries[i];
    if (record->used && record->key == key &&
        memcmp(record->block, head + KEY_ID_OFFSET, sizeof record->block) == 0) {
      return record;
    }
  }
  return NULL;
}

static struct open_record *unlock_record(struct worker *worker, struct open_records *records,
                                         uint32_t key, const uint8_t *head) {
  struct record_key derived;
  uint8_t dek[KEY_BYTES];
  struct open_record *record = NULL;
  if (record_unlock(worker, key, head, dek, &derived)) {
    record = &records->entries[records->next++ % REMEMBERED];
    record->used = true;
    record->key = key;
    memcpy(record->block, head + KEY_ID_OFFSET, sizeof record->block);
    memcpy(record->encryption_key, derived.encryption_key, KEY_BYTES);
  }
  OPENSSL_cleanse(dek, sizeof dek);
  OPENSSL_cleanse(&derived, sizeof derived);
  return record;
}

static bool is_ascii(const uint8_t *text, size_t length) {
  uint8_t high = 0;
  for (size_t i = 0; i < length; i++) high |= text[i];
  return high < 0x80;
}

/* Magic and flags of an envelope under a key of the page. */
static bool begins_local(const uint8_t *head) {
  return head[0] == MAGIC && (head[1] & ~LOCAL_FLAGS) == 0;
}

static void open_values(struct worker *worker, struct open_records *records) {
  const struct page *page = worker->page;
  uint8_t *plaintext = page->output;
  uint8_t *status = page->output + page->output_length - page->count;
  const struct open_record *set = NULL;
  for (size_t i = 0; i < page->count; i++) {
    const struct value *value = &page->values[i];
    const uint8_t *envelope = page->input + value->offset;
    struct field *field = &page->fields[value->field];
    int length = (int)value->length - OVERHEAD_BYTES;
    bool opened = false;
    bool has_row = (envelope[1] & ROW_BOUND) == 0 || value->row_id > 0;
    if (begins_local(envelope) && has_row) {
      struct open_record *record = find_record(records, value->key, envelope);
      if (record == NULL) {
        set = NULL;
        record = unlock_record(worker, records, value->key, envelope);
      }
      if (record != NULL) {
        field->aad[0] = envelope[1] & AAD_FLAGS;
        opened = gcm_open(worker, record == set ? NULL : record->encryption_key, field,
                          envelope + value->length, value->row_id, envelope + HEAD_BYTES, length,
                          plaintext);
        set = record;
      }
    }
    if (!opened) memset(plaintext, 0, (size_t)length);
    status[i] = !opened ? FAILED : is_ascii(plaintext, (size_t)length) ? DONE_ASCII : DONE;
    plaintext += length;
  }
}

static bool open_page(struct worker *worker) {
  struct open_records records = {.next = 0};
  open_values(worker, &records);
  OPENSSL_cleanse(&records, sizeof records);
  return !worker->failed;
}

/* The part of an envelope that the fields of one record share. */
struct sealed_record {
  uint32_t key;
  uint32_t dek;
  uint8_t wrapped[WRAPPED_BYTES];
  struct record_key derived;
};

static bool seal_values(struct worker *worker, struct sealed_record *record) {
  const struct page *page = worker->page;
  uint8_t *envelope = page->output;
  for (size_t i = 0; i < page->count; i++) {
    const struct value *value = &page->values[i];
    const struct key *key = &page->keys[value->key];
    struct field *field = &page->fields[value->field];
    bool same = record->key == value->key && record->dek == value->dek;
    if (!same) {
      const uint8_t *dek = page->input + value->dek;
      if (!record_wrap(worker, value->key, dek, record->wrapped) ||
          !record_derive(worker, dek, &record->derived)) {
        return false;
      }
      record->key = value->key;
      record->dek = value->dek;
    }
    envelope[0] = MAGIC;
    envelope[1] = field->flags;
    memcpy(envelope + KEY_ID_OFFSET, key->id, KEY_ID_BYTES);
    memcpy(envelope + WRAP_OFFSET, record->wrapped, WRAPPED_BYTES);
    memcpy(envelope + COMMITMENT_OFFSET, record->derived.commitment, COMMITMENT_BYTES);
    field->aad[0] = field->flags & AAD_FLAGS;
    const uint8_t *plaintext = page->input + value->offset;
    if (!gcm_seal(worker, same ? NULL : record->derived.encryption_key, field,
                  plaintext + value->length, value->row_id, plaintext, (int)value->length,
                  envelope + HEAD_BYTES)) {
      return false;
    }
    envelope += OVERHEAD_BYTES + value->length;
  }
  return true;
}

static bool seal_page(struct worker *worker) {
  struct sealed_record record = {.key = NO_KEY};
  bool done = seal_values(worker, &record);
  OPENSSL_cleanse(&record, sizeof record);
  return done;
}

/* Fields that were written together have equal heads, and follow each other. */
static bool same_head(const struct page *page, const struct value *value) {
  const struct value *before = value - 1;
  return value > page->values && value->key == before->key && value->field == before->field &&
         memcmp(page->input + value->offset, page->input + before->offset, HEAD_BYTES) == 0;
}

static bool rewrap_page(struct worker *worker) {
  const struct page *page = worker->page;
  uint8_t *block = page->output;
  uint8_t *status = page->output + page->output_length - page->count;
  struct record_key derived;
  uint8_t dek[KEY_BYTES];
  for (size_t i = 0; i < page->count; i++, block += COMMITMENT_OFFSET) {
    const struct value *value = &page->values[i];
    const uint8_t *head = page->input + value->offset;
    if (same_head(page, value)) {
      memcpy(block, block - COMMITMENT_OFFSET, COMMITMENT_OFFSET);
      status[i] = status[i - 1];
      continue;
    }
    memset(block, 0, COMMITMENT_OFFSET);
    status[i] = FAILED;
    if (!begins_local(head) || !record_unlock(worker, value->key, head, dek, &derived)) continue;
    memcpy(block, head, KEY_ID_OFFSET);
    memcpy(block + KEY_ID_OFFSET, page->keys[value->field].id, KEY_ID_BYTES);
    if (record_wrap(worker, value->field, dek, block + WRAP_OFFSET)) status[i] = DONE;
  }
  OPENSSL_cleanse(dek, sizeof dek);
  OPENSSL_cleanse(&derived, sizeof derived);
  return !worker->failed;
}

static bool token_page(struct worker *worker) {
  const struct page *page = worker->page;
  for (size_t i = 0; i < page->count; i++) {
    const struct value *value = &page->values[i];
    if (!token_compute(worker, value->key, page->input + value->offset, value->length,
                       page->output + i * TOKEN_BYTES)) {
      return false;
    }
  }
  return true;
}

bool page_run(struct page *page) {
  static bool (*const operations[OPERATIONS])(struct worker *) = {
      [OPEN] = open_page, [SEAL] = seal_page, [REWRAP] = rewrap_page, [TOKEN] = token_page};
  struct worker worker;
  /* What OpenSSL notes of a tag that does not match is nobody else's error. */
  ERR_set_mark();
  bool done = worker_create(&worker, page) && operations[page->operation](&worker);
  worker_free(&worker);
  ERR_pop_to_mark();
  return done;
}
