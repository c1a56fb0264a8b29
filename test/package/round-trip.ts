/**
 * JavaScript that declares `roundTrip()`: one value of several types sealed and opened again. The
 * caller puts `import` or `require` of the names in front. Runs unchanged in every kind of project.
 */
export const ROUND_TRIP = `
async function roundTrip() {
  const provider = inAppKeyProvider({ name: 'consumer', secret: generateRootKey() })
  const keyring = createKeyring({ providers: [provider], store: memoryKeyStore() })
  const values = {
    string: 'Ada Lovelace',
    number: -0,
    timestamp: new Date(0),
    bytes: Uint8Array.of(1, 2, 3),
    json: { allergies: ['penicillin'] },
  }
  for (const [type, value] of Object.entries(values)) {
    const cipher = createFieldCipher(keyring, { field: 'consumer.' + type, type })
    const envelope = await cipher.seal(value)
    if (envelope[0] !== 0xe1) throw new Error(type + ' was not sealed')
    const opened = await cipher.open(envelope)
    if (!same(opened, value)) throw new Error(type + ' came out changed')
  }
  await keyring.close()
}

function same(a, b) {
  return Object.is(a, b) || (typeof a === 'object' && JSON.stringify(asPlain(a)) === JSON.stringify(asPlain(b)))
}

function asPlain(value) {
  return ArrayBuffer.isView(value) ? [...value] : value
}
`
