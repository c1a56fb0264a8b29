/** Says on stderr what is measured now: the results alone go to stdout. */
export function progress(text) {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}
