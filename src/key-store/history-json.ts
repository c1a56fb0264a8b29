import type { HistoryLink } from './history'
import type { JsonMembers } from './json-members'

/** A record of the history from untrusted JSON; whether the chain holds is another question. */
export function historyLinkFromJson(json: JsonMembers): HistoryLink {
  return {
    sequence: json.integer('sequence', 1, 2 ** 31 - 1),
    id: json.text('id', /^.{1,255}$/),
    record: json.text('record', /^/),
    checksum: json.text('checksum', /^/),
  }
}
