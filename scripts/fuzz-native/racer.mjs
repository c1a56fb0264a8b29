// Changes shared memory all the time, for a page that is worked on meanwhile.
import { workerData } from 'node:worker_threads'
import { createRandom } from './random.mjs'

const { memories, seed } = workerData
const random = createRandom(seed)
const views = memories.map((memory) => new Uint8Array(memory))
const pause = new Int32Array(new SharedArrayBuffer(4))
for (;;) {
  for (let n = 0; n < 2000; n++) {
    const view = random.pick(views)
    if (view.length > 0) view[random.below(view.length)] = random.pick([0, 1, 0xff, 0x62])
  }
  Atomics.wait(pause, 0, 0, 1)
}
