import { expect, it } from 'vitest'
import type { SubjectKey } from '../../src/keys/access'
import { SubjectCache } from '../../src/keys/subject-cache'
import { testKey } from '../envelope/keys'

function someKey(name: string): SubjectKey {
  return { ...testKey(name), subjectRef: Buffer.from(name.padStart(17, '0')) }
}

it('finds keys by id and by subject_ref, and the KEK above them', () => {
  const cache = new SubjectCache()
  const key = someKey('a')
  cache.put(key, 'kek', cache.age)
  expect(cache.byId(key.id)).toBe(key)
  expect(cache.byRef(Buffer.from(key.subjectRef))).toBe(key)
  expect(cache.kekOf(key)).toBe('kek')
  expect(cache.byId('b')).toBeUndefined()
  expect(cache.byRef(Buffer.alloc(17))).toBeUndefined()
})

it('holds 10,000 keys, and lets go of the one unused for longest', () => {
  const cache = new SubjectCache()
  const keys = Array.from({ length: 10_001 }, (_, i) => someKey(String(i)))
  for (const key of keys.slice(0, 10_000)) cache.put(key, 'kek', cache.age)
  expect(cache.byRef(keys[0]!.subjectRef)).toBe(keys[0])
  cache.put(keys[10_000]!, 'kek', cache.age)
  expect(cache.byId(keys[0]!.id)).toBe(keys[0])
  expect(cache.byId(keys[1]!.id)).toBeUndefined()
  expect(cache.byRef(keys[1]!.subjectRef)).toBeUndefined()
  expect(cache.byId(keys[10_000]!.id)).toBe(keys[10_000])
})

it('gives the newer of two keys of a subject, also after the older one was evicted', () => {
  const cache = new SubjectCache()
  const old = someKey('0')
  const next = { ...someKey('next'), subjectRef: old.subjectRef }
  cache.put(old, 'kek', cache.age)
  cache.put(next, 'kek', cache.age)
  for (let i = 1; i < 10_000; i++) cache.put(someKey(String(i)), 'kek', cache.age)
  expect(cache.byId(old.id)).toBeUndefined()
  expect(cache.byRef(old.subjectRef)).toBe(next)
})

it('does not believe what was read before it was cleared', () => {
  const cache = new SubjectCache()
  const { age } = cache
  const [before, after] = [someKey('a'), someKey('b')]
  cache.put(before, 'kek', age)
  cache.clear()
  cache.put(after, 'kek', age)
  expect([cache.byId(before.id), cache.byId(after.id)]).toEqual([undefined, undefined])
  expect(cache.kekOf(after)).toBe('kek')
  cache.put(after, 'kek', cache.age)
  expect(cache.byId(after.id)).toBe(after)
})

it('keeps nothing once it was discarded', () => {
  const cache = new SubjectCache()
  const key = someKey('a')
  cache.put(key, 'kek', cache.age)
  cache.discard()
  expect(cache.byId(key.id)).toBeUndefined()
  cache.put(key, 'kek', cache.age)
  expect(cache.byId(key.id)).toBeUndefined()
})
