// Usage: node child.mjs ADDON SECONDS SEED
//
// ADDON is the variant with faults.c, or a plain one (under valgrind, say): then no calls are made to
// fail. What memory errors there are the sanitizer finds; here is checked what the addon gives.
import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { broken, copyOf } from './break.mjs'
import { outputLength, pagesOf, randomWorld } from './pages.mjs'
import { createRandom } from './random.mjs'

const [file, seconds, seed] = process.argv.slice(2)
const addon = createRequire(import.meta.url)(file)
const random = createRandom(Number(seed))
const until = performance.now() + Number(seconds) * 1000
const counts = { broken: 0, refused: 0, valid: 0, raced: 0, faults: 0, workers: 0 }

const racing = startRacer()
let nextWorker = 0
let nextFaults = 0
while (performance.now() < until) {
  const pages = pagesOf(randomWorld(random))
  for (const page of pages) await valid(page)
  for (let n = 0; n < 60; n++) await refusedOrRight(broken(random, random.pick(pages).arguments))
  await breakMeanwhile(random.pick(pages))
  race()
  if (performance.now() > nextFaults) {
    for (const page of pages) await everyFault(page)
    nextFaults = performance.now() + 3000
  }
  if (performance.now() > nextWorker) {
    await endWorker(random.pick(pages))
    nextWorker = performance.now() + 1000
  }
}
await racing.worker.terminate()
tooLong()
assert.equal(addon.blocks?.() ?? 0, 0, 'all that was taken was given back')
console.log(JSON.stringify(counts))

/** Both ways give what the model says. */
async function valid({ arguments: page, expected }) {
  assert.deepEqual(addon.run(...page), expected)
  assert.deepEqual(await addon.runAsync(...page), expected)
  counts.valid += 2
}

async function refusedOrRight(page) {
  counts.broken++
  try {
    const output = random.chance(80) ? addon.run(...page) : await addon.runAsync(...page)
    assert(Buffer.isBuffer(output))
    assert.equal(output.length, outputLength(page[0] >>> 0, page[4]))
  } catch (error) {
    refused(error)
  }
}

function refused(error) {
  const kind = [TypeError, RangeError, Error].find(({ prototype }) => {
    return Object.getPrototypeOf(error) === prototype
  })
  assert(kind, error)
  assert.match(error.message, kind === Error ? /^native path: OpenSSL/ : /./)
  counts.refused++
}

/** What happens to its arguments after the call is nothing to a page. */
async function breakMeanwhile({ arguments: page, expected }) {
  const own = copyOf(page)
  const begun = addon.runAsync(...own)
  for (const { buffer } of own.slice(1)) structuredClone(buffer, { transfer: [buffer] })
  assert.deepEqual(await begun, expected)
}

/** Pages in memory that another thread writes into. */
function startRacer() {
  const page = random.pick(pagesOf(randomWorld(random))).arguments
  const shared = page.slice(1).map((one) => {
    const memory = new SharedArrayBuffer(one.byteLength)
    const view = one instanceof Uint32Array ? new Uint32Array(memory) : new Uint8Array(memory)
    view.set(one)
    return { view, one }
  })
  const workerData = { memories: shared.map(({ view }) => view.buffer), seed: Number(seed) }
  const worker = new Worker(join(import.meta.dirname, 'racer.mjs'), { workerData })
  return { worker, operation: page[0], shared }
}

function race() {
  for (let n = 0; n < 30; n++) {
    for (const { view, one } of racing.shared) view.set(one)
    counts.raced++
    try {
      const operation = random.chance(50) ? racing.operation : random.below(4)
      assert(Buffer.isBuffer(addon.run(operation, ...racing.shared.map(({ view }) => view))))
    } catch (error) {
      refused(error)
    }
  }
}

/** Makes each call that the addon makes for a page fail once. */
async function everyFault({ arguments: page, expected }) {
  if (addon.failAt === undefined) return
  for (const run of [addon.run, async (...given) => addon.runAsync(...given)]) {
    for (let at = 1; ; at++) {
      addon.failAt(at)
      const failed = await Promise.resolve()
        .then(() => run(...page))
        .then(
          (output) => assert.deepEqual(output, expected),
          (error) => error,
        )
      if (addon.failAt(0) > 0) break
      assert(failed instanceof Error, `call ${at} failed and nobody was told`)
      assert.match(failed.message, /OpenSSL failed|out of memory/)
      counts.faults++
    }
  }
}

async function endWorker({ arguments: page }) {
  const exits = random.chance(50)
  const workerData = { addon: file, page, exits }
  const worker = new Worker(join(import.meta.dirname, 'ended.mjs'), { workerData })
  await once(worker, 'message')
  await (exits ? once(worker, 'exit') : worker.terminate())
  counts.workers++
}

/** Memory that offsets of 32 bits do not reach; no page of it is touched. */
function tooLong() {
  const huge = new Uint8Array(2 ** 31)
  for (let i = 1; i < 6; i++) {
    const page = pagesOf(randomWorld(random))[0].arguments
    page[i] = i === 4 ? new Uint32Array(huge.buffer) : huge
    assert.throws(() => addon.run(...page), RangeError)
  }
}
