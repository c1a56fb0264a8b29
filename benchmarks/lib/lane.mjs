// A lane is a process that holds a contender, with an environment of its own: contenders share neither
// compiled code nor garbage, and settings that a package reads when it loads can differ. Lanes are
// asked in turns, so only one of them works at a time.
import { fork } from 'node:child_process'
import { once } from 'node:events'

/**
 * @param module - file URL of a module whose `open(options)` gives the functions of the lane
 * @param env - beside that of this process
 * @returns `call(name, argument)`, and `close()`
 * @throws what `open` throws, with its code
 */
export async function openLane(module, options, env = {}) {
  const child = fork(new URL('./lane-process.mjs', import.meta.url), {
    env: { ...process.env, ...env },
    serialization: 'advanced',
  })
  const answers = []
  child.on('message', (answer) => {
    const { resolve, reject } = answers.shift()
    if (answer.error) reject(Object.assign(new Error(answer.error.message), answer.error))
    else resolve(answer.value)
  })
  child.on('exit', (code) => {
    for (const { reject } of answers.splice(0))
      reject(new Error(`the lane ended with code ${code}`))
  })
  const send = (message) =>
    new Promise((resolve, reject) => {
      answers.push({ resolve, reject })
      child.send(message)
    })
  const close = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.disconnect()
    await ended
  }
  try {
    await send({ open: module, options })
  } catch (error) {
    await close()
    throw error
  }
  return { call: (name, argument) => send({ call: name, argument }), close }
}
