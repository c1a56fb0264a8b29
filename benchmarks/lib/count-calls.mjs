/** A provider whose calls are counted, and those for data KEKs among them. */
export function countCalls(provider) {
  const counted = { calls: 0, dataCalls: 0, provider: null }
  const counting =
    (method) =>
    (key, context, ...more) => {
      counted.calls++
      if (context.purpose === 'data') counted.dataCalls++
      return provider[method](key, context, ...more)
    }
  counted.provider = {
    get uri() {
      return provider.uri
    },
    open: async (options) => provider.open?.(options),
    wrapKey: counting('wrapKey'),
    unwrapKey: counting('unwrapKey'),
    close: async () => provider.close?.(),
  }
  return counted
}
