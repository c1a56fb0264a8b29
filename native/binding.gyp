{
  "targets": [
    {
      "target_name": "mortise",
      "sources": ["addon.c", "operations.c", "page.c", "record.c"],
      "defines": ["NAPI_VERSION=8"],
      "cflags": ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror=implicit", "-fvisibility=hidden"],
      # A symbol that this Node does not export fails when the addon loads, not when it is called.
      "ldflags": ["-Wl,-z,now", "-Wl,-z,relro"],
    }
  ]
}
