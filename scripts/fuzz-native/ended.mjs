// Begins pages in a worker that is ended while they are worked on.
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'

const { runAsync } = createRequire(import.meta.url)(workerData.addon)
for (let n = 0; n < 40; n++) runAsync(...workerData.page).catch(() => {})
parentPort.postMessage('begun')
if (workerData.exits) process.exit()
