/**
 * The longest time in which the event loop came to nothing else while work ran: milliseconds between
 * two turns of it. The probe runs in every turn, and so costs a little of the work's time.
 */
export async function longestHold(work) {
  let last = performance.now()
  let longest = 0
  let isDone = false
  const look = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (!isDone) setImmediate(look)
  }
  setImmediate(look)
  await work()
  isDone = true
  look()
  return longest
}
