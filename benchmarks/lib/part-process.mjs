// One part under one Node: run.mjs forks it, and gets what it measured.
import { conditions } from './conditions.mjs'
import { hasNativePath } from './native.mjs'

// Whoever forked it is gone, or has what it wanted.
process.once('disconnect', () => process.exit())
process.once('message', async ({ part, options }) => {
  const { run } = await import(`../parts/${part}.mjs`)
  const { tables, measurements = {}, measured = {}, conditions: more } = await run(options)
  const size = options.quick ? { quick: 'run' } : {}
  const where = { ...conditions(), nativePath: hasNativePath(), ...more, ...size }
  process.send({ part, conditions: where, tables, measurements, measured }, () =>
    process.disconnect(),
  )
})
