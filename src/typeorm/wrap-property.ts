/**
 * Passes what a property holds through `wrap`, now and whenever it is replaced. Others replace members
 * of a DataSource too: typeorm-transactional puts a method there that calls TypeORM's prototype, whose
 * builders would send plaintext conditions to ciphertext and find nothing.
 */
export function wrapProperty<Owner extends object, Name extends keyof Owner>(
  owner: Owner,
  name: Name,
  wrap: (value: Owner[Name]) => Owner[Name],
): void {
  let current = wrap(owner[name])
  Object.defineProperty(owner, name, {
    configurable: true,
    enumerable: true,
    get: () => current,
    set: (replacement: Owner[Name]) => {
      current = wrap(replacement)
    },
  })
}
