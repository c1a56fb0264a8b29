// Writes rows 1 to N as the application does.
//
// Usage: SYNCHRONIZE=1 node seed.cjs N
const { dataSource } = require('./data-source.cjs')

async function seed(count) {
  await dataSource.initialize()
  const rows = Array.from({ length: count }, (_, place) => {
    const id = place + 1
    return { id, tenant: `t${id % 2}`, email: `p${id}@example.com`, iban: `DE${id}` }
  })
  await dataSource.getRepository('person').insert(rows)
  await dataSource.destroy()
}

void seed(Number(process.argv[2]))
