// What providers other than in-app bind: wraps by PKCS#11, encryption contexts of AWS KMS.
import { fixedBytes, HSM_ROOT_KEY, KEYS, PROVIDER_KEYS, ROOT_SECRET } from './fixtures.mjs'
import {
  contextParts,
  encodeContext,
  flip,
  hsmGcmWrap,
  hsmKeyWrap,
  inAppWrap,
  join,
} from './format-1.mjs'

const { wrapped, elsewhere } = PROVIDER_KEYS
export const providerKeyCases = () => Object.values(PROVIDER_KEYS)

const contextOf = (use, { id, domain, purpose, version }) => ({ use, domain, purpose, id, version })

const CONTEXTS = [
  contextOf('kek', KEYS.first),
  contextOf('kek', KEYS.index),
  contextOf('kek', KEYS.foreign),
  contextOf('dek', wrapped),
  { ...contextOf('dek', elsewhere), version: 4_294_967_295 },
]

const parts = (context) => contextParts(context.use, context)

/** Wraps of PKCS#11 with the root key in clear. */
export const hsmCases = () =>
  CONTEXTS.flatMap((context, index) => {
    const key = fixedBytes(`key in hsm wrap ${index}`)
    const iv = fixedBytes(`iv of hsm wrap ${index}`).subarray(0, 12)
    const common = { context, encodedContext: encodeContext(parts(context)), key }
    const byKeyWrap = hsmKeyWrap(HSM_ROOT_KEY, parts(context), key)
    const byGcm = hsmGcmWrap(HSM_ROOT_KEY, parts(context), key, iv)
    return [
      {
        name: `KW ${index}`,
        mechanism: 'CKM_AES_KEY_WRAP',
        ...common,
        iv: null,
        wrapped: byKeyWrap,
      },
      { name: `GCM ${index}`, mechanism: 'CKM_AES_GCM', ...common, iv, wrapped: byGcm },
    ]
  })

/** Wraps that the HSM must not open under the context. */
export function hsmFailures() {
  const [context] = CONTEXTS
  const key = fixedBytes('key in hsm failure')
  const iv = fixedBytes('iv of hsm failure').subarray(0, 12)
  const byKeyWrap = hsmKeyWrap(HSM_ROOT_KEY, parts(context), key)
  const byGcm = hsmGcmWrap(HSM_ROOT_KEY, parts(context), key, iv)
  const refuse = (name, bytes, target = context) => ({
    name,
    context: target,
    wrapped: bytes,
    code: 'ERR_KEY_INTEGRITY',
  })
  const others = [
    ['use', 'dek'],
    ['domain', 'clinic-7'],
    ['purpose', 'index'],
    ['id', KEYS.second.id],
    ['version', 2],
  ].flatMap(([part, value]) => {
    const other = { ...context, [part]: value }
    return [
      refuse(`KW, another ${part}`, byKeyWrap, other),
      refuse(`GCM, another ${part}`, byGcm, other),
    ]
  })
  const bare = inAppWrap(ROOT_SECRET, parts(context), key)
  const otherRoot = fixedBytes('another hsm root key')
  return [
    ...others,
    ...[0, 8, 40, 71].map((offset) =>
      refuse(`KW, byte ${offset} changed`, flip(byKeyWrap, offset, 0)),
    ),
    ...[0, 12, 44, 59].map((offset) =>
      refuse(`GCM, byte ${offset} changed`, flip(byGcm, offset, 0)),
    ),
    refuse('KW, zeros as binding', hsmKeyWrap(HSM_ROOT_KEY, parts(context), key, Buffer.alloc(32))),
    refuse('KW by another root key', hsmKeyWrap(otherRoot, parts(context), key)),
    refuse('GCM by another root key', hsmGcmWrap(otherRoot, parts(context), key, iv)),
    refuse('a wrap of 40 bytes', bare),
    refuse('KW without its last byte', byKeyWrap.subarray(0, 71)),
    refuse('GCM without its last byte', byGcm.subarray(0, 59)),
    refuse('GCM with a byte more', join(byGcm, [0])),
    refuse('empty', Buffer.alloc(0)),
  ]
}

export const kmsCases = () =>
  CONTEXTS.map((context) => ({
    context,
    encryptionContext: {
      mortise: '1',
      use: context.use,
      domain: context.domain,
      purpose: context.purpose,
      id: context.id,
      version: `${context.version}`,
    },
  }))
