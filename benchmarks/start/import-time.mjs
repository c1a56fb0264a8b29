// Prints how many milliseconds a module takes to load, after those that are given before it.
const modules = process.argv.slice(2)
const last = modules.pop()
for (const before of modules) await import(before)
const begin = performance.now()
await import(last)
console.log(performance.now() - begin)
