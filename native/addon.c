#include <node_api.h>
#include <stdlib.h>

#include "page.h"
#include "record.h"

/* Changes with every change of the interface; see src/crypto/native.ts. */
enum { INTERFACE_VERSION = 1 };

/* Reads `operation, keys, info, fields, index, input`. Leaves an exception where they are no page. */
static struct page *read_page(napi_env env, napi_callback_info info) {
  napi_value given[1 + ARGUMENTS];
  size_t count = 1 + ARGUMENTS;
  uint32_t operation;
  struct bytes arguments[ARGUMENTS];
  if (napi_get_cb_info(env, info, &count, given, NULL, NULL) != napi_ok ||
      count != 1 + ARGUMENTS || napi_get_value_uint32(env, given[0], &operation) != napi_ok ||
      operation >= OPERATIONS) {
    napi_throw_type_error(env, NULL, "native path: no such operation");
    return NULL;
  }
  for (int i = 0; i < ARGUMENTS; i++) {
    /* Older Nodes do not set it for kinds of arrays that are younger than they. */
    napi_typedarray_type type = napi_float64_array;
    size_t length;
    void *data;
    napi_typedarray_type wanted = i == INDEX ? napi_uint32_array : napi_uint8_array;
    if (napi_get_typedarray_info(env, given[1 + i], &type, &length, &data, NULL, NULL) != napi_ok ||
        type != wanted) {
      napi_throw_type_error(env, NULL, "native path: expected a typed array");
      return NULL;
    }
    arguments[i].data = data;
    /* A detached array has no memory. */
    arguments[i].length = data == NULL ? 0 : length * (i == INDEX ? sizeof(uint32_t) : 1);
  }
  const char *problem;
  struct page *page = page_create((enum operation)operation, arguments, &problem);
  if (page == NULL) napi_throw_range_error(env, NULL, problem);
  return page;
}

/* NULL where the page failed or there is no memory for its output. */
static napi_value output_of(napi_env env, const struct page *page, bool done) {
  napi_value output = NULL;
  if (done) napi_create_buffer_copy(env, page->output_length, page->output, NULL, &output);
  return output;
}

static const char FAILURE[] = "native path: OpenSSL failed, or there is no memory";

static napi_value run(napi_env env, napi_callback_info info) {
  struct page *page = read_page(env, info);
  if (page == NULL) return NULL;
  napi_value output = output_of(env, page, page_run(page));
  /* Without effect where an exception is pending already. */
  if (output == NULL) napi_throw_error(env, NULL, FAILURE);
  page_free(page);
  return output;
}

struct job {
  struct page *page;
  bool done;
  napi_deferred deferred;
  napi_async_work work;
};

static void execute(napi_env env, void *data) {
  (void)env;
  struct job *job = data;
  job->done = page_run(job->page);
}

static void settle(napi_env env, struct job *job, bool done) {
  napi_value output = output_of(env, job->page, done);
  if (output != NULL) {
    napi_resolve_deferred(env, job->deferred, output);
    return;
  }
  /* Where even that fails, as in a worker that is being ended, nobody waits for an answer. */
  napi_value message = NULL, error = NULL;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) {
    napi_get_and_clear_last_exception(env, &error);
  } else {
    napi_create_string_utf8(env, FAILURE, NAPI_AUTO_LENGTH, &message);
    napi_create_error(env, NULL, message, &error);
  }
  napi_reject_deferred(env, job->deferred, error);
}

static void complete(napi_env env, napi_status status, void *data) {
  struct job *job = data;
  settle(env, job, status == napi_ok && job->done);
  napi_delete_async_work(env, job->work);
  page_free(job->page);
  free(job);
}

static napi_value run_async(napi_env env, napi_callback_info info) {
  struct page *page = read_page(env, info);
  if (page == NULL) return NULL;
  napi_value promise = NULL, name;
  struct job *job = calloc(1, sizeof *job);
  if (job != NULL) job->page = page;
  if (job == NULL || napi_create_string_utf8(env, "mortise", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, NULL, name, execute, complete, job, &job->work) != napi_ok ||
      napi_create_promise(env, &job->deferred, &promise) != napi_ok) {
    if (job != NULL && job->work != NULL) napi_delete_async_work(env, job->work);
    page_free(page);
    free(job);
    napi_throw_error(env, NULL, FAILURE);
    return NULL;
  }
  if (napi_queue_async_work(env, job->work) != napi_ok) complete(env, napi_generic_failure, job);
  return promise;
}

NAPI_MODULE_INIT() {
  napi_value version;
  napi_property_descriptor members[] = {
      {.utf8name = "run", .method = run, .attributes = napi_enumerable},
      {.utf8name = "runAsync", .method = run_async, .attributes = napi_enumerable},
      {.utf8name = "version", .attributes = napi_enumerable},
  };
  if (!algorithms_fetch()) {
    napi_throw_error(env, NULL, "native path: this OpenSSL lacks an algorithm");
    return NULL;
  }
  if (napi_create_uint32(env, INTERFACE_VERSION, &version) != napi_ok) return NULL;
  members[2].value = version;
  napi_define_properties(env, exports, sizeof members / sizeof *members, members);
  return exports;
}
