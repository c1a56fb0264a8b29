/** @returns `ms` of wall time, and `processorMs` of all threads of this process meanwhile */
export async function timed(work) {
  const before = process.cpuUsage()
  const begin = performance.now()
  await work()
  const ms = performance.now() - begin
  const { user, system } = process.cpuUsage(before)
  return { ms, processorMs: (user + system) / 1000 }
}
