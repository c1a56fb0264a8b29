import type { StoreContent } from './content'
import { historyLinkFromJson } from './history-json'
import { jsonMembers, malformed } from './json-members'
import { DOMAIN, indexFromJson, keyFromJson, keyToJson } from './record-json'
import { subjectKeyFromJson, subjectKeyToJson, tombstoneFromJson } from './subject-json'

const FORMAT = 'mortise-key-store'
const VERSION = 1
/** Far beyond any real store; bounds what a damaged file can make us build. */
const MAX_RECORDS = 100_000
/** People and tenants: a file is read as a whole, so stores with more belong into a database. */
const MAX_SUBJECTS = 1_000_000

/** The file's text: indented, because operators read it. */
export function contentToJson(content: StoreContent): string {
  const json = {
    format: FORMAT,
    version: VERSION,
    epochs: [...content.epochs].map(([domain, epoch]) => ({ domain, epoch })),
    keys: content.keys.map(keyToJson),
    indexes: content.indexes,
    subjectKeys: content.subjectKeys.map(subjectKeyToJson),
    tombstones: content.tombstones,
    history: content.history,
  }
  return `${JSON.stringify(json, null, 2)}\n`
}

/**
 * @param file - names the file in the error
 * @throws ERR_KEY_STORE for anything that this version of the file format does not describe
 */
export function contentFromJson(text: string, file: string): StoreContent {
  const json = jsonMembers(parse(text, file), file)
  json.oneOf('format', [FORMAT])
  json.integer('version', VERSION, VERSION)
  return {
    epochs: new Map(
      json
        .list('epochs', MAX_RECORDS)
        .map((entry) => [entry.text('domain', /./), entry.integer('epoch', 0, 2 ** 31 - 1)]),
    ),
    keys: json.list('keys', MAX_RECORDS).map(keyFromJson),
    indexes: json.list('indexes', MAX_RECORDS).map(indexFromJson),
    // Files from before there were subject keys, or a history, have none of these.
    subjectKeys: json.has('subjectKeys')
      ? json.list('subjectKeys', MAX_SUBJECTS).map(subjectKeyFromJson)
      : [],
    tombstones: json.has('tombstones')
      ? json.list('tombstones', MAX_SUBJECTS).map(tombstoneFromJson)
      : [],
    history: json.has('history')
      ? json.list('history', MAX_SUBJECTS).map((link) => {
          return { ...historyLinkFromJson(link), domain: link.text('domain', DOMAIN) }
        })
      : [],
  }
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return malformed(file, 'JSON document')
  }
}
