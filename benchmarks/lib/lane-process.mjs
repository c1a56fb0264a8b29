// The other side of lane.mjs: one message, one answer. Ends with the process that forked it.
let lane

process.on('message', async (message) => {
  try {
    process.send({ value: await answer(message) })
  } catch (error) {
    const { message: text, code, stack } = error
    process.send({ error: { message: text, code, stack } })
  }
})
process.once('disconnect', async () => {
  await lane?.close?.()
  process.exit()
})

async function answer({ open, options, call, argument }) {
  if (open) {
    const module = await import(open)
    lane = await module.open(options)
    return undefined
  }
  return lane[call](argument)
}
