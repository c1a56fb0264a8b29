// Runs the benchmarks, all or those that are named, against the package as it is built.
//
// Usage: npm run bench [-- [sealing] [wrapping] [queries] [jobs] [--quick]]
const parts = {
  sealing: () => import('./sealing.mjs'),
  wrapping: () => import('./wrapping.mjs'),
  queries: () => import('./queries.mjs'),
  jobs: () => import('./jobs.mjs'),
}
const named = Object.keys(parts).filter((part) => process.argv.includes(part))

for (const part of named.length > 0 ? named : Object.keys(parts)) {
  console.log(`\n## ${part}\n`)
  await parts[part]()
}
