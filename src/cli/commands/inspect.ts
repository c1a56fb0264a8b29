import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { type EnvelopeInfo, inspectEnvelope } from '../../envelope/inspect'
import { defineCommand } from '../command'
import { envelopeFrom } from '../envelope-text'
import { EXIT } from '../exit-codes'
import { readStdin } from '../standard-input'
import { textTable } from '../text-table'
import { UsageError } from '../usage-error'

interface Flags {
  readonly file?: string
}

/** `mortise inspect`. */
export const inspectCommand: Command = defineCommand<'nothing', Flags>({
  name: 'inspect',
  summary: 'explain an envelope, without any key',
  description: [
    'Says what an envelope tells about itself: format, flags, the key that seals it, and how long each of its parts is. Takes the text form (mrt1.…), hex (also as psql prints it, \\x…), base64, base64url, or the bytes themselves from a file or standard input.',
    'Needs no key, no provider and no database. Nothing that it shows is authenticated: whoever can write the value can write this.',
    'Changes nothing.',
  ],
  examples: [
    'mortise inspect mrt1.4QAAAAA…',
    "psql -At -c 'SELECT email FROM patient LIMIT 1' | mortise inspect",
    'mortise inspect --file value.bin --json',
  ],
  arguments: [['[envelope]', 'the envelope; without it, standard input is read']],
  options: [new Option('--file <path>', 'read the envelope from a file')],
  needs: 'nothing',
  async run({ flags, words, output }) {
    const envelope = envelopeFrom(await givenBytes(words[0], flags.file))
    const info = inspectEnvelope(envelope)
    output.result({ command: 'inspect', ...info }, () => explain(info))
    return EXIT.done
  },
})

async function givenBytes(word: string | undefined, file: string | undefined): Promise<Buffer> {
  if (word !== undefined && file !== undefined) {
    throw new UsageError('give an envelope or --file, not both')
  }
  if (word !== undefined) return Buffer.from(word, 'utf8')
  return file === undefined ? await readStdin() : readFileSync(file)
}

function explain(info: EnvelopeInfo): string[] {
  const { flags, keyId, wrappedDekBytes, commitment, ciphertextBytes, overheadBytes } = info
  const sealedBy = flags.subjectKey
    ? 'key of a data subject'
    : flags.providerWrapped
      ? 'key whose provider wraps each DEK itself'
      : 'KEK'
  return [
    'An envelope. Nothing of this is authenticated: it takes the key to tell a genuine one.',
    ...textTable(
      ['part', 'value', 'meaning'],
      [
        ['format', `${info.format}`, info.text ? 'as text, mrt1.' : 'as bytes'],
        ['row-bound', yesOrNo(flags.rowBound), 'opens only in the row that it was sealed for'],
        ['padded', yesOrNo(flags.padded), 'its length tells the step of the value, not its length'],
        ['key', keyId, `${sealedBy} that wraps the DEK; see mortise keys`],
        [
          'wrapped DEK',
          `${wrappedDekBytes} bytes`,
          'what a rewrap replaces, together with the key id',
        ],
        ['commitment', commitment, 'equal in all fields of one write'],
        ['ciphertext', `${ciphertextBytes} bytes`, 'type byte and value, and padding if any'],
        ['overhead', `${overheadBytes} bytes`, 'everything but the ciphertext'],
      ],
    ),
  ]
}

function yesOrNo(flag: boolean): string {
  return flag ? 'yes' : 'no'
}
