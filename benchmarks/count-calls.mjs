/** A provider whose calls are counted. */
export function countCalls(provider) {
  const counted = { calls: 0, provider: null }
  const counting =
    (method) =>
    (...call) => {
      counted.calls++
      return provider[method](...call)
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
