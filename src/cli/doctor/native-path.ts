import { type NativeStatus, nativeStatus } from '../../crypto/native'
import { type Found, ok } from './finding'

type Reason = NonNullable<NativeStatus['reason']>

const SUBJECT = 'native path'
const REBUILD = 'npm rebuild mortise   # needs a C compiler, make and Python'
const INACTIVE: Readonly<Record<Reason, readonly [finding: string, fix: string]>> = {
  'switched off': ['is switched off by MORTISE_NATIVE=0', 'unset MORTISE_NATIVE'],
  'not built': ['is not built for this platform', REBUILD],
  'not usable': [
    'is of another platform, Node or release, or this Node runs in FIPS mode, which it is not for',
    REBUILD,
  ],
}

/** Which of two ways to the same bytes this process takes; the slower one is nothing that is wrong. */
export async function checkNativePath(): Promise<Found[]> {
  const { reason } = nativeStatus()
  if (reason === null) return [ok(SUBJECT, 'seals and opens pages of values')]
  const [finding, fix] = INACTIVE[reason]
  const instead = 'values are sealed and opened in JavaScript, to the same bytes'
  return [{ ...ok(SUBJECT, `${finding}: ${instead}`), fix }]
}
