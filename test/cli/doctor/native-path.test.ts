import { afterEach, expect, it, vi } from 'vitest'
import { checkNativePath } from '../../../src/cli/doctor/native-path'
import { nativeStatus } from '../../../src/crypto/native'

vi.mock('../../../src/crypto/native', { spy: true })
afterEach(() => vi.restoreAllMocks())

it('says that the native path is used', async () => {
  vi.mocked(nativeStatus).mockReturnValue({ active: true, reason: null })
  expect(await checkNativePath()).toEqual([
    {
      ...{ status: 'ok', subject: 'native path' },
      ...{ finding: 'seals and opens pages of values', fix: null },
    },
  ])
})

it.each([
  ['switched off', 'MORTISE_NATIVE=0', 'unset MORTISE_NATIVE'],
  ['not built', 'not built for this platform', 'npm rebuild mortise'],
  ['not usable', 'another platform, Node or release', 'npm rebuild mortise'],
] as const)('says why it is %s, and what to do, without a complaint', async (reason, why, fix) => {
  vi.mocked(nativeStatus).mockReturnValue({ active: false, reason })
  expect(await checkNativePath()).toEqual([
    {
      ...{ status: 'ok', subject: 'native path' },
      finding: expect.stringMatching(new RegExp(`${why}.* in JavaScript, to the same bytes$`)),
      fix: expect.stringContaining(fix),
    },
  ])
})
