// What is sealed and opened: texts of one length, alone or five to a record. A batch is what mortise is
// given at once, as a statement that writes rows or a page that is read; the others loop over it.

const RECORDS = 1000

const alone = (name, bytes) => [name, { fields: 1, bytes, batch: RECORDS }]
const record = (batch) => [
  batch === 1 ? 'record, alone' : `record, ${batch} at once`,
  { fields: 5, bytes: 32, batch },
]

export const SIZES = ['16 B', '64 B', '1 KiB']
export const BATCHES = ['record, alone', 'record, 50 at once', 'record, 1000 at once']

export const shapes = new Map([
  alone('16 B', 16),
  alone('64 B', 64),
  alone('1 KiB', 1024),
  record(1),
  record(50),
  record(RECORDS),
])
