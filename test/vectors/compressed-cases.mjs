import { field, fixedBytes, KEYS, ROWS } from './fixtures.mjs'
import { aad, FLAGS, hex, join, padded, rowIdBytes, sealEnvelope, toText } from './format-1.mjs'

// Deflate streams are given: two releases of one compressor may write different ones, and a reader
// takes any of them.
const SENTENCE = 'The patient sleeps well. '.repeat(20)
const VISITS = JSON.stringify({
  visits: Array.from({ length: 20 }, (_, day) => ({ day, note: 'no fever' })),
})
const STREAMS = {
  sentence: hex('0bc9485528482cc94ccd2b5128ce494d2d2856284fcdc9d15308199518ae1200'),
  visits: hex(
    '7dd03b0a80301405d1adc8ab2dbcfecd56c44230429a04540411f76e6329534f35e7b633ece1d8cd8db72df365aec8' +
      '2da6c39bb398b2d59f7eb327ff9aa095d02a6835b4065a0bad83d6431be81d6148464423b211e18874443c221f1190' +
      'fe84a6e705',
  ),
  /** "Ada" in one block that is not compressed, and in two. */
  block: hex('010300fcff416461'),
  blocks: hex('000100feff41010200fdff6461'),
  empty: hex('0300'),
}

const TYPES = { string: 1, json: 8 }
const compressed = (type, options = {}) => field(type, { compressed: true, ...options })
const deflated = (stream) => join([7, 1], stream)
const stored = (value) => join([7, 0], value)

/** One envelope of a compressed field. `content` is what is sealed, before any padding. */
function compressedCase(name, target, content, options = {}) {
  const { row = null } = options
  const key = KEYS.first
  const dek = fixedBytes(`dek compressed ${name}`)
  const bound = target.rowBound ? FLAGS.rowBound : 0
  const flags = bound | (target.pad === null ? 0 : FLAGS.padded)
  const plaintext = target.pad === null ? content : padded(content, target.pad)
  const envelope = sealEnvelope({ key, dek, flags, field: target, row, plaintext })
  return { name, field: target, row, keyId: key.id, dek, content, plaintext, flags, envelope }
}

function openCase(name, target, value, content, options) {
  const { flags, ...made } = compressedCase(name, target, content, options)
  const { row, envelope } = made
  return {
    ...made,
    value,
    rowId: row && rowIdBytes(row),
    encoded: join([TYPES[target.type]], value),
    aad: aad(flags, target.domain, target.fieldId, row),
    text: toText(envelope),
  }
}

export function compressedCases() {
  const text = compressed('string')
  const json = compressed('json')
  return [
    openCase('deflated text', text, SENTENCE, deflated(STREAMS.sentence)),
    openCase('deflated JSON', json, VISITS, deflated(STREAMS.visits)),
    openCase('one block that is not compressed', text, 'Ada', deflated(STREAMS.block)),
    openCase('two blocks', text, 'Ada', deflated(STREAMS.blocks)),
    openCase('deflated empty text', text, '', deflated(STREAMS.empty)),
    openCase('stored text', text, 'naïve 東京 \u{1f511}', stored('naïve 東京 \u{1f511}')),
    openCase('stored empty text', text, '', stored('')),
    openCase('stored JSON', json, '{"a":[]}', stored('{"a":[]}')),
    openCase('sealed before the field began to compress', text, 'Ada', join([1], 'Ada')),
    openCase('JSON sealed before the field began to compress', json, '[0]', join([8], '[0]')),
    openCase(
      'deflated, then padded',
      compressed('string', { pad: 64 }),
      SENTENCE,
      deflated(STREAMS.sentence),
    ),
    openCase(
      'deflated, padded and row-bound',
      compressed('json', { pad: 256, rowBound: true }),
      VISITS,
      deflated(STREAMS.visits),
      { row: ROWS.uuid },
    ),
  ]
}

export function compressedFailures() {
  const text = compressed('string')
  const refuse = (name, content, target = text) => {
    const { field: declared, row, envelope } = compressedCase(`must fail, ${name}`, target, content)
    return { name, envelope, field: declared, row, code: 'ERR_DECRYPTION_FAILED' }
  }
  const { sentence, block } = STREAMS
  return [
    refuse('no method', hex('07')),
    refuse('unknown method 02', join([7, 2], sentence)),
    refuse('unknown method ff', join([7, 0xff], 'Ada')),
    refuse('no stream', deflated('')),
    refuse('stream cut by a byte', deflated(sentence.subarray(0, -1))),
    refuse('byte behind the stream', deflated(join(sentence, [0]))),
    refuse('two streams', deflated(join(block, block))),
    refuse('stream that goes on after its last block', deflated(join(block, sentence))),
    refuse('block of the reserved type', deflated(join([7], sentence.subarray(1)))),
    refuse('block whose length does not match its complement', deflated(hex('010300fdff416461'))),
    refuse('zlib header', deflated(join([0x78, 0x9c], sentence))),
    refuse('text that is no UTF-8', stored([0xff])),
    refuse('deflated text that is no UTF-8', deflated(hex('010100feffff'))),
    refuse('JSON with white space', stored('[ ]'), compressed('json')),
    refuse('JSON null', stored('null'), compressed('json')),
    refuse('JSON in a field of strings', join([8], '"Ada"')),
    refuse('text in a field of JSON', join([1], 'Ada'), compressed('json')),
    refuse('deflated text in a field that is not compressed', deflated(sentence), field('string')),
    refuse('stored text in a field that is not compressed', stored('Ada'), field('string')),
  ]
}
