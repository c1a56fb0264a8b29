// One contender of the part `value`: it seals and opens the same shapes of records as the others, and is
// asked at the end whether what it sealed last opens again.
import { randomBytes } from 'node:crypto'
import { timed } from '../lib/timed.mjs'
import { shapes } from './shapes.mjs'

/**
 * @param contender - a file of contenders/; `variant` is given to its `create`
 * @param records - records in a loop
 */
export async function open({ contender, variant, records: wanted }) {
  const { create, share = 1 } = await import(`./contenders/${contender}.mjs`)
  const made = await create(variant)
  const { sealRecords, openRecords, tokens } = made.sealRecords ? made : loopsOver(made)
  const length = Math.max(1, Math.ceil(wanted * share))
  const states = new Map([...shapes].map(([name, shape]) => [name, createState(shape, length)]))

  const operations = {
    async seal(state) {
      state.sealed = await inBatches(state.records, state.batch, sealRecords)
    },
    async open(state) {
      state.opened = await inBatches(state.sealed, state.batch, openRecords)
    },
    async token(state) {
      state.tokens = await tokens(state.texts)
    },
  }

  return {
    /** @returns which operations the contender knows for a shape */
    knows({ operation, shape }) {
      if (operation === 'token') return tokens !== undefined
      return made.singleOnly ? shapes.get(shape).fields === 1 : true
    },
    /** @returns microseconds for one record: `wall`, and `processor` of all threads of this process */
    async measure({ operation, shape }) {
      const { ms, processorMs } = await timed(() => operations[operation](states.get(shape)))
      return { wall: (ms * 1000) / length, processor: (processorMs * 1000) / length }
    },
    /**
     * Opens what was sealed last, and compares it and what was opened last with what was sealed.
     *
     * @returns bytes that are stored for a record beyond those of its texts
     */
    async verify({ shape }) {
      const { records, sealed, opened } = states.get(shape)
      const again = await openRecords(sealed)
      for (const got of [again, opened]) {
        if (JSON.stringify(got) !== JSON.stringify(records)) {
          throw new Error(`${contender} opened another value than it sealed`)
        }
      }
      const stored = sealed[0].reduce((sum, one) => sum + Buffer.byteLength(one), 0)
      return stored - records[0].join('').length
    },
  }
}

function createState({ fields, bytes, batch }, length) {
  const text = () => randomBytes(bytes / 2).toString('hex')
  const records = Array.from({ length }, () => Array.from({ length: fields }, text))
  return { records, batch, texts: records.map(([first]) => first) }
}

async function inBatches(items, size, work) {
  if (size >= items.length) return work(items)
  const done = []
  for (let i = 0; i < items.length; i += size) {
    for (const one of await work(items.slice(i, i + size))) done.push(one)
  }
  return done
}

/** Loops for a contender that takes one value at a time; an asynchronous one begins all at once. */
function loopsOver({ seal, open, token, isAsync = false }) {
  const each = isAsync
    ? (items, work) => Promise.all(items.map((item) => work(item)))
    : (items, work) => items.map((item) => work(item))
  return {
    sealRecords: (records) => each(records, (record) => each(record, seal)),
    openRecords: (sealed) => each(sealed, (record) => each(record, open)),
    tokens: token && ((texts) => each(texts, token)),
  }
}
