// Ways to break the arguments of a page.
const INDEX = 4
const WORDS = [0, 1, 31, 32, 81, 82, 83, 97, 98, 99, 0xffff, 0x10000, 64 << 20, (64 << 20) + 98]
const LARGE_WORDS = [(64 << 20) + 99, 0x7fffffff, 0x80000000, 0x80000001, 0xffffff9e, 0xffffffff]
const OPERATIONS = [0, 1, 2, 3, 4, -1, 1.5, 2 ** 31, 2 ** 32, Number.NaN, '1', null, undefined, {}]

/** The arguments in memory of their own: a slice of a Buffer would share it. */
export function copyOf([operation, ...arrays]) {
  return [
    operation,
    ...arrays.map((one) => (one instanceof Uint32Array ? one.slice() : Uint8Array.from(one))),
  ]
}

/** Gives arguments of which one to three things are wrong. */
export function broken(random, given) {
  const page = copyOf(given)
  for (let n = random.between(1, 3); n > 0; n--) {
    try {
      random.pick(BREAKS)(random, page)
    } catch {
      // What one break has left, such as a detached array, may be nothing to the next one.
    }
  }
  return page
}

const argument = (random) => random.between(1, 5)

/** Bytes of an argument that is still a typed array with memory. */
function bytesOf(one) {
  if (!ArrayBuffer.isView(one)) return new Uint8Array()
  return new Uint8Array(one.buffer, one.byteOffset, one.byteLength)
}

const BREAKS = [
  function flipBits(random, page) {
    const bytes = bytesOf(page[argument(random)])
    if (bytes.length > 0) bytes[random.below(bytes.length)] ^= 1 << random.below(8)
  },
  function setByte(random, page) {
    const bytes = bytesOf(page[argument(random)])
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.pick([0, 1, 0x7f, 0xff])
  },
  function setWord(random, page) {
    const index = page[INDEX]
    if (!(index instanceof Uint32Array) || index.length === 0) return
    const { byteLength = 0 } = page[5] ?? {}
    const near = [byteLength, byteLength - 1, byteLength + 1, random.below(byteLength)]
    index[random.below(index.length)] = random.pick([...WORDS, ...LARGE_WORDS, ...near])
  },
  function shiftWord(random, page) {
    const index = page[INDEX]
    if (!(index instanceof Uint32Array) || index.length === 0) return
    index[random.below(index.length)] += random.pick([-1, 1, 6, 32, -32])
  },
  function otherOperation(random, page) {
    page[0] = random.pick(OPERATIONS)
  },
  function cut(random, page) {
    const i = argument(random)
    if (!ArrayBuffer.isView(page[i]) || page[i] instanceof DataView) return
    const from = random.below(page[i].length)
    page[i] = page[i].subarray(from, random.between(from, page[i].length))
  },
  function otherLength(random, page) {
    const i = argument(random)
    const length = random.pick([0, 1, 39, 40, 41, 6, 7, 12, random.below(5000)])
    page[i] = i === INDEX ? new Uint32Array(length) : new Uint8Array(length)
  },
  function otherKind(random, page) {
    const kinds = [Int8Array, Uint8ClampedArray, Uint16Array, Int32Array, Float32Array]
    const more = [Float64Array, BigUint64Array, Uint8Array, Uint32Array, globalThis.Float16Array]
    const Kind = random.pick([...kinds, ...more].filter(Boolean))
    page[argument(random)] = new Kind(random.below(500))
  },
  function noArray(random, page) {
    const i = argument(random)
    const things = [null, undefined, 1, 'text', true, {}, [], () => {}, Symbol('s'), 1n, new Date()]
    const fakes = [new DataView(new ArrayBuffer(64)), new ArrayBuffer(64), { length: 5 }]
    const disguised = [new Proxy(new Uint8Array(8), {}), Object.create(Uint8Array.prototype)]
    page[i] = random.pick([...things, ...fakes, ...disguised])
  },
  function fewer(random, page) {
    page.length = random.below(page.length + 1)
  },
  function more(random, page) {
    page.push(random.pick([null, new Uint8Array(8), 1]))
  },
  function swapped(random, page) {
    const [a, b] = [argument(random), argument(random)]
    ;[page[a], page[b]] = [page[b], page[a]]
  },
  function sameTwice(random, page) {
    page[argument(random)] = page[argument(random)]
  },
  function detached(random, page) {
    const i = argument(random)
    const bytes = bytesOf(page[i]).slice()
    page[i] = i === INDEX ? words(bytes.buffer) : bytes
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  },
  function shared(random, page) {
    const i = argument(random)
    const bytes = bytesOf(page[i])
    const memory = new SharedArrayBuffer(bytes.length)
    new Uint8Array(memory).set(bytes)
    page[i] = i === INDEX ? words(memory) : new Uint8Array(memory)
  },
  function resized(random, page) {
    const i = argument(random)
    const bytes = bytesOf(page[i])
    const memory = new ArrayBuffer(bytes.length, { maxByteLength: bytes.length + 4096 })
    new Uint8Array(memory).set(bytes)
    const from = random.chance(50) ? 0 : Math.min(4, bytes.length & ~3)
    const tracks = random.chance(50)
    const Kind = i === INDEX ? Uint32Array : Uint8Array
    const left = Math.floor((bytes.length - from) / Kind.BYTES_PER_ELEMENT)
    page[i] = new Kind(memory, from, tracks ? undefined : left)
    memory.resize(random.pick([0, 1, from, random.below(bytes.length + 1), bytes.length + 4096]))
  },
  function manyValues(random, page) {
    const index = page[INDEX]
    if (!(index instanceof Uint32Array) || index.length < 6) return
    const value = index.slice(0, 6)
    const much = new Uint32Array(6 * random.between(100, random.chance(2) ? 200_000 : 3000))
    for (let at = 0; at < much.length; at += 6) much.set(value, at)
    page[INDEX] = much
  },
  function hugeAad(random, page) {
    const bytes = bytesOf(page[3])
    if (bytes.length > 14)
      bytes.set(
        random.pick([
          [0xff, 0xff],
          [0, 0],
          [0, 1],
          [1, 0],
        ]),
        13,
      )
  },
]

function words(memory) {
  return new Uint32Array(memory, 0, memory.byteLength >> 2)
}
