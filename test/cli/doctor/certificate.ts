import { generateKeyPairSync, sign } from 'node:crypto'

/** What a server proves itself by, in PEM. */
export interface ServerCertificate {
  readonly key: string
  readonly certificate: string
}

const YEAR_MS = 365 * 24 * 60 * 60 * 1000
const ECDSA_WITH_SHA256 = '06082a8648ce3d040302'
const COMMON_NAME = '0603550403'
const BASIC_CONSTRAINTS_CA = '300f0603551d130101ff040530030101ff'
/** subjectAltName: IP address 127.0.0.1 */
const LOOPBACK = '300f0603551d110408300687047f000001'

/**
 * A self-signed certificate of 127.0.0.1 with a key of its own, so that no key stands in the repository.
 *
 * @see RFC 5280, 4.1
 */
export function serverCertificate(): ServerCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = sequence(hex(ECDSA_WITH_SHA256))
  const name = sequence(tagged(0x31, sequence(hex(COMMON_NAME), tagged(0x0c, Buffer.from('test')))))
  const now = Date.now()
  const signed = sequence(
    tagged(0xa0, hex('020102')),
    hex('020101'),
    ...[algorithm, name, sequence(utcTime(now - YEAR_MS), utcTime(now + YEAR_MS)), name],
    publicKey.export({ format: 'der', type: 'spki' }),
    tagged(0xa3, sequence(hex(BASIC_CONSTRAINTS_CA), hex(LOOPBACK))),
  )
  const signature = tagged(0x03, Buffer.concat([hex('00'), sign('sha256', signed, privateKey)]))
  const base64 = sequence(signed, algorithm, signature).toString('base64')
  return {
    key: String(privateKey.export({ format: 'pem', type: 'pkcs8' })),
    certificate: `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  }
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts))
}

function utcTime(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/\D/g, '').slice(2, 14)
  return tagged(0x17, Buffer.from(`${digits}Z`))
}

/** DER: tag, length, content. */
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  const long = [0x82, length >> 8, length & 0xff]
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : long
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function hex(digits: string): Buffer {
  return Buffer.from(digits, 'hex')
}
