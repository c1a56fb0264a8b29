const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const TIME = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d)?/g
const STARTED = Date.now() - 60_000

/**
 * Makes the observations of two runs comparable: classes are named, random UUIDs are numbered by
 * appearance, times of the run become one word, and the text of database errors keeps no positions.
 */
export function normaliser(): (value: unknown) => unknown {
  const uuids = new Map<string, string>()
  const text = (value: string): string =>
    value
      .replace(UUID, (uuid) => {
        if (!uuids.has(uuid)) uuids.set(uuid, `<uuid ${uuids.size + 1}>`)
        return uuids.get(uuid) as string
      })
      .replace(TIME, (time) => (Date.parse(time) >= STARTED ? '<now>' : time))
  const seen = new WeakSet<object>()
  function walk(value: unknown): unknown {
    if (typeof value === 'string') return text(value)
    if (typeof value === 'number' && value >= STARTED) return '<now>'
    if (typeof value === 'function') return `<function ${value.name}>`
    if (typeof value === 'bigint') return `${value}n`
    if (typeof value !== 'object' || value === null) return value
    if (value instanceof Date) return value.getTime() >= STARTED ? '<now>' : value.toISOString()
    if (Buffer.isBuffer(value)) return `<bytes ${value.toString('hex')}>`
    if (seen.has(value)) return '<seen>'
    seen.add(value)
    const named = Array.isArray(value) ? value.map(walk) : object(value)
    seen.delete(value)
    return named
  }
  function object(value: object): unknown {
    const name = Object.getPrototypeOf(value)?.constructor?.name
    // The length of a database's error message depends on how many digits a time has.
    const entries = Object.entries(value).filter(
      ([key]) => !(value instanceof Error && key === 'length'),
    )
    const own = entries.map(([key, one]) => [key, walk(one)])
    const shown = value instanceof Error ? [['message', text(value.message)], ...own] : own
    return { ...(name === 'Object' ? {} : { class: name }), ...Object.fromEntries(shown) }
  }
  return walk
}
