// As many values as a page of all rows has, opened without a database: what of the holds of the event
// loop is the library's own.
import { longestHold } from '../lib/hold.mjs'
import { create } from '../value/contenders/mortise.mjs'
import { COLUMNS, textsOf } from './rows.mjs'

export async function open({ rows }) {
  const { sealRecords, openingOf } = await create()
  const ids = Array.from({ length: rows }, (_, i) => i + 1)
  const sealed = await sealRecords(ids.map((id) => COLUMNS.map((name) => textsOf(id)[name])))
  const openAll = openingOf(sealed)
  return { measure: () => longestHold(openAll) }
}
