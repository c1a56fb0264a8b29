import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Consumer, createConsumer, removeConsumer } from './consumer'
import { entryPoints } from './entry-points'

const CORE = `
import { createFieldCipher, createKeyring, generateRootKey, inAppKeyProvider, isMortiseError, memoryKeyStore } from 'mortise'
import type { Keyring, KeyProvider, MortiseErrorCode } from 'mortise'

export async function seal(income: number): Promise<Uint8Array | null> {
  const provider: KeyProvider = inAppKeyProvider({ name: 'main', secret: generateRootKey() })
  const keyring: Keyring = createKeyring({ providers: [provider], store: memoryKeyStore() })
  const cipher = createFieldCipher(keyring, { field: 'person.income', type: 'number' })
  // @ts-expect-error: a number field takes numbers
  const wrong = () => cipher.seal('40000')
  void wrong
  return cipher.seal(income)
}

export function codeOf(error: unknown): MortiseErrorCode | undefined {
  return isMortiseError(error) ? error.code : undefined
}
`

const TYPEORM = `
import type { Keyring } from 'mortise'
import { Encrypted, encryptedColumn, withEncryption } from 'mortise/typeorm'
import { Column, type DataSource, Entity, EntitySchema, PrimaryGeneratedColumn } from 'typeorm'

@Entity()
export class Patient {
  @PrimaryGeneratedColumn('uuid') id!: string
  @Column() ward!: string
  @Encrypted({ exact: { normalize: 'email', unique: true } }) email!: string
  @Encrypted({ type: 'number', range: { step: 10_000 }, nullable: true }) income!: number | null
  // @ts-expect-error: a number field stands on a number property
  @Encrypted('number') name!: string
}

enum Role {
  Nurse,
  Doctor,
}

export interface Member {
  id: string
  email: string
  income: number | null
  role: Role
}

export const memberSchema = new EntitySchema<Member>({
  name: 'member',
  columns: {
    id: { type: 'uuid', primary: true },
    ...encryptedColumn('email', { type: 'string', exact: true, column: 'text' }),
    ...encryptedColumn<Member>('income', { type: Number, nullable: true }),
    ...encryptedColumn<Member>('role', { type: 'number', enum: Role }),
    // @ts-expect-error: no property of the entity
    ...encryptedColumn('emial', { type: 'string' }),
    // @ts-expect-error: a number is no string
    ...encryptedColumn<Member>('income', { type: 'string' }),
  },
})

export function install(dataSource: DataSource, keyring: Keyring): DataSource {
  return withEncryption(dataSource, { keyring })
}
`

const EVERY_ENTRY_POINT = entryPoints
  .map(({ name }, index) => `import * as entry${index} from '${name}'\nexport { entry${index} }`)
  .join('\n')

const MODES = [
  { mode: 'ES modules, nodenext', file: 'main.mts', module: 'nodenext', compiler: 'typescript' },
  { mode: 'CommonJS, nodenext', file: 'main.cts', module: 'nodenext', compiler: 'typescript' },
  { mode: 'bundler', file: 'main.ts', module: 'preserve', compiler: 'typescript' },
  {
    mode: 'ES modules, TypeScript 5.9',
    file: 'main.mts',
    module: 'nodenext',
    compiler: 'typescript-5.9',
  },
  { mode: 'CommonJS, node10', file: 'main.ts', module: 'commonjs', compiler: 'typescript-5.9' },
]

const compilers = ['typescript@7', 'typescript-5.9@npm:typescript@5.9', '@types/node@20']

describe.each(['1', '0.3'])('a TypeScript project with TypeORM %s', (version) => {
  let consumer: Consumer
  beforeAll(() => {
    const peers = [`typeorm@${version}`, 'reflect-metadata', 'pg', '@types/pg']
    consumer = createConsumer([...compilers, ...peers])
  })
  afterAll(() => removeConsumer(consumer))

  it.each(MODES)('compiles every entry point: $mode', (mode) => {
    consumer.write(mode.file, `${EVERY_ENTRY_POINT}\n${TYPEORM}`)
    expect(compile(consumer, { ...mode, skipLibCheck: true })).toBe('')
  })
})

describe('a TypeScript project without the optional peers', () => {
  let consumer: Consumer
  beforeAll(() => {
    consumer = createConsumer(compilers)
  })
  afterAll(() => removeConsumer(consumer))

  it.each(MODES)('compiles the core and checks its declarations: $mode', (mode) => {
    consumer.write(mode.file, CORE)
    expect(compile(consumer, { ...mode, skipLibCheck: false })).toBe('')
  })
})

interface Compilation {
  readonly file: string
  readonly module: string
  readonly compiler: string
  /** False: the declarations of the package are checked as well as their use. */
  readonly skipLibCheck: boolean
}

/** Type-checks one file; returns the compiler's complaints. */
function compile(
  consumer: Consumer,
  { file, module, compiler, skipLibCheck }: Compilation,
): string {
  const compilerOptions = {
    ...{ module, skipLibCheck, strict: true, noEmit: true, target: 'es2023', types: ['node'] },
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    ...(module === 'preserve' ? { moduleResolution: 'bundler' } : {}),
    ...(module === 'commonjs' ? { moduleResolution: 'node10' } : {}),
  }
  consumer.write('tsconfig.json', JSON.stringify({ compilerOptions, files: [file] }))
  const { code, output } = consumer.node(`node_modules/${compiler}/bin/tsc`, '-p', 'tsconfig.json')
  return code === 0 ? output : `exit code ${code}\n${output}`
}
